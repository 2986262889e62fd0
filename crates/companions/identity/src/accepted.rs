//! What becomes of the attributes of all resources, from the tables of fields that bodies are checked by.

use rest::accepted::{Accepts, Fate};

use crate::api::{
    access_rules, application_credentials, consumers, credentials, domain_config, domains,
    endpoint_filters, endpoints, groups, limits, policies, projects, regions, roles, services,
    trusts, users,
};
use crate::compliance;
use crate::schema::Field;
use crate::simple::Plain;

const KEPT: &str = "kept and shown, as in Keystone";
const CLOSED: &str =
    "refused with 400: \"Additional properties are not allowed ('…' was unexpected)\"";
const UNSEEN: &str = "not looked at, as in Keystone";

/// The option that projects, domains and roles have.
const IMMUTABLE: &[(&str, Fate)] = &[("options.immutable", Fate::Honoured)];

fn of(resource: &'static str, fields: &[Field], unknown: &'static str) -> Accepts {
    Accepts {
        resource,
        attributes: fields
            .iter()
            .map(|field| (field.name, field.fate))
            .collect(),
        unknown,
    }
}

fn plain<P: Plain>() -> Accepts {
    of(P::ONE, P::FIELDS, if P::CLOSED { CLOSED } else { KEPT })
}

fn with(mut accepts: Accepts, parts: &[(&'static str, Fate)]) -> Accepts {
    accepts.attributes.extend_from_slice(parts);
    accepts
}

/// What a login names, `auth` of `POST /v3/auth/tokens`.
const LOGIN: &[(&str, Fate)] = &[
    (
        "identity.methods",
        Fate::Within("those of the option `methods`; others are answered 401"),
    ),
    ("identity.password.user", Fate::Honoured),
    ("identity.token.id", Fate::Honoured),
    ("identity.application_credential", Fate::Honoured),
    (
        "identity.totp.user",
        Fate::Within(
            "a passcode is good for its time, and as often as it is given, as in Keystone",
        ),
    ),
    (
        "scope",
        Fate::Within(
            "one of `project`, `domain`, `system`, `OS-TRUST:trust`, `unscoped`; two of them are refused with 400",
        ),
    ),
];

/// All resources.
pub fn accepted() -> Vec<Accepts> {
    let config = Accepts {
        resource: "config (of a domain)",
        attributes: domain_config::accepted(),
        unknown: "refused with 403",
    };
    let login = Accepts {
        resource: "login",
        attributes: LOGIN.to_vec(),
        unknown: UNSEEN,
    };
    vec![
        of("access_rule", access_rules::RULE, CLOSED),
        with(
            of(
                "application_credential",
                application_credentials::NEW,
                CLOSED,
            ),
            application_credentials::MORE,
        ),
        plain::<consumers::Consumers>(),
        of("credential", credentials::NEW, KEPT),
        config,
        with(of("domain", domains::NEW, KEPT), IMMUTABLE),
        plain::<endpoints::Endpoints>(),
        plain::<endpoint_filters::EndpointGroups>(),
        of("group", groups::NEW, KEPT),
        plain::<limits::Limits>(),
        login,
        plain::<policies::Policies>(),
        with(of("project", projects::NEW, KEPT), IMMUTABLE),
        plain::<regions::Regions>(),
        plain::<limits::RegisteredLimits>(),
        with(of("role", roles::NEW, KEPT), IMMUTABLE),
        plain::<services::Services>(),
        of("trust", trusts::NEW, UNSEEN),
        with(of("user", users::NEW, KEPT), compliance::OPTIONS),
    ]
}
