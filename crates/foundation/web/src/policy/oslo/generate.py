"""Writes answers.json: rules, callers and targets with the answers of the real oslo.policy.

    python3 -m venv venv && venv/bin/pip install oslo.policy && venv/bin/python generate.py > answers.json
"""

import json
import logging
import random

from oslo_config import cfg
from oslo_policy import policy

logging.disable(logging.CRITICAL)
random.seed(20)

CALLERS = [
    {"roles": ["Admin", "member", "reader"], "user_id": "u1", "project_id": "p1", "is_admin": "True"},
    {"roles": ["member", "reader"], "user_id": "u2", "project_id": "p1", "is_admin": "False"},
    {"roles": ["reader"], "user_id": "u3", "project_id": "p2", "is_admin": "False",
     "service_roles": ["service"]},
    {"roles": ["admin"], "user_id": "u4", "system_scope": "all", "is_admin": "True"},
    {"roles": ["manager"], "user_id": "u5", "domain_id": "d1", "is_admin": "False"},
    {"roles": [], "user_id": "u6"},
]
TARGETS = [
    {},
    {"project_id": "p1", "user_id": "u2"},
    {"project_id": "p2", "user_id": "u1", "role": "ADMIN", "shared": "True"},
    {"project_id": "None", "target.user.domain_id": "d1", "network:tenant_id": "p1", "name": "a b", "shared": "False"},
]
NAMED = {
    "admin": "role:admin",
    "owner": "project_id:%(project_id)s or user_id:%(user_id)s",
    "both": "rule:admin and rule:owner",
    "nobody": "!",
    "old": [["rule:admin"], ["role:member", "project_id:%(project_id)s"]],
    "old_empty": [],
    "old_hollow": [[]],
    "old_flat": ["role:reader", "role:manager"],
}
CHECKS = [
    "role:admin", "role:ADMIN", "role:member", "role:%(role)s", "role:reader", "role:manager", "rule:admin", "rule:owner",
    "rule:both", "rule:nobody", "rule:missing", "rule:old", "rule:old_empty", "rule:old_hollow", "rule:old_flat",
    "@", "!", "project_id:%(project_id)s", "user_id:%(user_id)s", "user_id:u3", "is_admin:True", "is_admin:False",
    "system_scope:all", "system:all", "domain_id:%(target.user.domain_id)s", "project_id:%(network:tenant_id)s",
    "'p1':%(project_id)s", '"p2":%(project_id)s', "True:%(shared)s", "None:%(project_id)s", "7:7", "0:%(x)s",
    "project_id:%(missing)s", "project_id:p%(nothing)s", "user_id:%%u1", "'%u1':%%u1", "project_id:p1",
    "roles:member", "roles:Member", "service_roles:service", "unknown:thing", "project_id:%(project_id)s%(user_id)s",
    "'p1u2':%(project_id)s%(user_id)s", "'x-p1':x-%(project_id)s", "a.b.c:d",
]
BAD = ["", " ", "and", "role:admin and", "or role:admin", "(role:admin", "role:admin)", "()", "not", "'text'",
       "role:admin role:member", "role:admin or or role:member", "(role:reader)and role:admin"]


def rule(depth):
    kind = random.random()
    if depth == 0 or kind < 0.3:
        return random.choice(CHECKS)
    if kind < 0.45:
        return random.choice(["not ", "NOT "]) + rule(depth - 1)
    if kind < 0.6:
        return random.choice(["(%s)", "( %s )", "((%s))"]) % rule(depth - 1)
    words = [rule(depth - 1) for _ in range(random.choice([2, 2, 3]))]
    text = words[0]
    for word in words[1:]:
        text += random.choice([" and ", " or ", "  AND ", " Or\n"]) + word
    return text


def main():
    enforcer = policy.Enforcer(cfg.ConfigOpts(), use_conf=False, rules={})
    texts = CHECKS + BAD + [rule(4) for _ in range(500)]
    cases = []
    for text in texts:
        rules = dict(NAMED, case=text)
        enforcer.set_rules(policy.Rules.from_dict(rules), use_conf=False)
        answers = ""
        for caller in CALLERS:
            for target in TARGETS:
                answers += "1" if enforcer.enforce("case", dict(target), dict(caller)) else "0"
        cases.append([text, answers])
    print('{"callers": %s,\n"targets": %s,\n"named": %s,\n"cases": [' %
          (json.dumps(CALLERS), json.dumps(TARGETS), json.dumps(NAMED)))
    print(",\n".join(json.dumps(case) for case in cases))
    print("]}")


main()
