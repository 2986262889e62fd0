"""Writes the default rules of the real services, and what oslo.policy answers by them.

    policies.py PEOPLE OUT

PEOPLE has callers, and targets of each service; OUT gets, for each service, its rules with check, scopes and answers:
a digit for each caller and target, callers first.
"""

import importlib
import json
import logging
import sys

from oslo_config import cfg
from oslo_policy import policy

SERVICES = {
    "compute": "nova.policies",
    "identity": "keystone.common.policies",
    "image": "glance.policies",
    "network": "neutron.conf.policies",
    "volume": "cinder.policies",
}
# What a request's context has even where a token has it not.
ALWAYS = ["domain_id", "project_domain_id", "project_id", "service_roles", "system_scope", "user_id"]


@policy.register("field")
class Field(policy.Check):
    """Neutron's check, without its look-up of the network of an object."""

    def __call__(self, target, creds, enforcer, current_rule=None):
        name, wanted = self.match.split(":", 1)[1].split("=", 1)
        found = target.get(name)
        if found is None:
            return False
        return found.startswith(wanted[2:]) if wanted.startswith("~^") else found == wanted


def credentials(caller):
    """A caller as oslo.policy wants it: dots in names are nesting."""
    creds = {name: None for name in ALWAYS} | {"token": {"domain": {}, "project": {"domain": {}}}}
    creds["is_admin"] = "admin" in caller["roles"]
    for name, value in caller.items():
        *path, last = name.split(".")
        place = creds
        for part in path:
            place = place[part]
        place[last] = value
    return creds


def answers(rules, callers, targets):
    enforcer = policy.Enforcer(cfg.ConfigOpts(), policy_file="none", use_conf=False)
    enforcer.suppress_default_change_warnings = enforcer.suppress_deprecation_warnings = True
    enforcer.register_defaults(rules)
    enforcer.set_rules({rule.name: rule.check for rule in rules}, use_conf=False)
    for rule in rules:
        yield rule, "".join(
            "01"[bool(enforcer.enforce(rule.name, dict(target), credentials(caller)))]
            for caller in callers
            for target in targets
        )


def main():
    people, out = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with open(people) as file:
        people = json.load(file)
    found = {}
    for service, module in SERVICES.items():
        rules = list(importlib.import_module(module).list_rules())
        found[service] = {
            rule.name: {"check": rule.check_str, "scopes": rule.scope_types or [], "answers": given}
            for rule, given in answers(rules, people["callers"], people["targets"][service])
        }
        print(f"{service}: {len(rules)} rules")
    with open(out, "w") as file:
        json.dump(found, file)


main()
