//! `/v3/domains/{domain_id}/config`: options of a domain, kept and shown. Only the groups that
//! Keystone lets a domain set exist; none of them changes what this service does, which has no LDAP.

use http::StatusCode;
use rest::accepted::Fate;
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::record::{self, Object};
use crate::settings::DEFAULT_DOMAIN;
use crate::tables::domain_configs::{Column, Entity, Model};
use web::policy::Target;

use super::domains;

/// Options of a group with their defaults.
type Options = &'static [(&'static str, Option<&'static str>)];

/// Groups and options that a domain may set, with the values of a service that sets none.
const KNOWN: &[(&str, Options)] = &[
    ("identity", &[("driver", Some("sql")), ("list_limit", None)]),
    (
        "ldap",
        &[
            ("group_tree_dn", None),
            ("password", None),
            ("query_scope", Some("one")),
            ("suffix", Some("cn=example,cn=com")),
            ("url", Some("ldap://localhost")),
            ("user", None),
            ("user_tree_dn", None),
        ],
    ),
];

/// Options whose value is never shown, and so not kept: that they were set is all that a row says.
pub const SENSITIVE: &[(&str, &str)] = &[("ldap", "password")];

/// What becomes of those options, for documents.
pub fn accepted() -> Vec<(&'static str, Fate)> {
    let groups = KNOWN.iter();
    groups
        .map(|(group, _)| (*group, Fate::Hint(UNUSED)))
        .collect()
}

const UNUSED: &str = "kept and shown, as in a Keystone with domain_specific_drivers_enabled off: users lie in this service, \
    and there is no LDAP";

async fn stored(ctx: &Ctx, db: &impl ConnectionTrait) -> Result<Object, Fault> {
    let rows = Entity::find()
        .filter(Column::DomainId.eq(ctx.param("domain_id")))
        .all(db)
        .await?;
    let mut config = Object::new();
    for row in rows {
        if SENSITIVE.contains(&(row.config_group.as_str(), row.option.as_str())) {
            continue;
        }
        let value: Value = serde_json::from_str(&row.value).unwrap_or(Value::Null);
        let group = config.entry(row.config_group).or_insert_with(|| json!({}));
        group[row.option] = value;
    }
    Ok(config)
}

/// What is not stored is not found, by the words of Keystone.
fn missing(ctx: &Ctx) -> Fault {
    let (group, option) = (ctx.param("group"), ctx.param("option"));
    let what = match (group, option) {
        ("", _) => "any options".to_owned(),
        (group, "") => format!("group {group}"),
        (group, option) => format!("option {option} in group {group}"),
    };
    Fault::not_found(
        "domain configuration for",
        format!("{what} in domain {}", ctx.param("domain_id")),
    )
}

/// The part of a configuration that the path names.
fn part(ctx: &Ctx, config: &Object) -> Result<Value, Fault> {
    let (group, option) = (ctx.param("group"), ctx.param("option"));
    if group.is_empty() {
        return if config.is_empty() {
            Err(missing(ctx))
        } else {
            Ok(json!(config))
        };
    }
    let found = config.get(group).ok_or_else(|| missing(ctx))?;
    if option.is_empty() {
        return Ok(json!({group: found}));
    }
    let value = found.get(option).ok_or_else(|| missing(ctx))?;
    Ok(json!({option: value}))
}

/// The group that anybody may read, so that clients can say what a password must be.
const COMPLIANCE: &str = "security_compliance";

/// `security_compliance`: what this service asks of passwords, the same for all domains; Keystone shows it
/// for the default one.
fn compliance(ctx: &Ctx) -> Answer {
    ctx.allow_rule("get_security_compliance_domain_config", Target::new())?;
    let refuse = |why: &str| {
        Err(Fault::ForbiddenBecause(format!(
            "Invalid domain specific configuration: {why}."
        )))
    };
    if ctx.param("domain_id") != DEFAULT_DOMAIN.0 {
        return refuse(
            "Reading security compliance information for any domain other than the default domain is not \
             allowed or supported.",
        );
    }
    let rules = &ctx.state.rules.settings;
    let shown = json!({
        "password_regex": rules.password_regex,
        "password_regex_description": rules.password_regex_description,
    });
    let config = match ctx.param("option") {
        "" => json!({COMPLIANCE: shown}),
        option => match shown.get(option) {
            Some(value) => json!({option: value}),
            None => {
                return refuse(
                    "Reading security compliance values other than password_regex and \
                     password_regex_description is not allowed.",
                );
            }
        },
    };
    Ok(reply(json!({"config": config})))
}

pub async fn show(ctx: Ctx) -> Answer {
    if ctx.param("group") == COMPLIANCE {
        return compliance(&ctx);
    }
    ctx.allow(Target::new())?;
    let db = ctx.state.db.read();
    domains::find(db, ctx.param("domain_id")).await?;
    let config = stored(&ctx, db).await?;
    Ok(reply(json!({"config": part(&ctx, &config)?})))
}

pub async fn defaults(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let mut config = Object::new();
    for (group, options) in KNOWN {
        let options: Object = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        config.insert((*group).to_owned(), Value::Object(options));
    }
    Ok(reply(json!({"config": part(&ctx, &config)?})))
}

/// Reads `{"config": …}` into groups; a path that names an option is followed by the option alone.
fn wanted(ctx: &Ctx) -> Result<Object, Fault> {
    let config = ctx.under("config")?;
    let (group, option) = (ctx.param("group"), ctx.param("option"));
    let config = if option.is_empty() {
        config
    } else {
        let value = config.get(option).cloned();
        let value = value
            .ok_or_else(|| Fault::BadRequest(format!("Expecting to find {option} in config.")))?;
        match json!({group: {option: value}}) {
            Value::Object(config) => config,
            _ => Object::new(),
        }
    };
    if config.is_empty() {
        return Err(Fault::ForbiddenBecause(
            "Invalid domain specific configuration: No options specified.".to_owned(),
        ));
    }
    for (name, options) in &config {
        let known = KNOWN.iter().find(|(known, _)| known == name);
        let (_, known) = known.ok_or_else(|| {
            Fault::ForbiddenBecause(format!(
                "Invalid domain specific configuration: Group {name} is not supported."
            ))
        })?;
        if !group.is_empty() && name != group {
            return Err(Fault::ForbiddenBecause(format!(
                "Invalid domain specific configuration: Trying to update group {group}, but config has {name}."
            )));
        }
        let Value::Object(options) = options else {
            return Err(Fault::ForbiddenBecause(format!(
                "Invalid domain specific configuration: The value of group {name} must be a dictionary."
            )));
        };
        if let Some(odd) = options
            .keys()
            .find(|key| !known.iter().any(|(known, _)| known == key))
        {
            return Err(Fault::ForbiddenBecause(format!(
                "Invalid domain specific configuration: Option {odd} in group {name} is not supported."
            )));
        }
    }
    Ok(config)
}

async fn store(tx: &impl ConnectionTrait, domain_id: &str, config: &Object) -> Result<(), Fault> {
    for (group, options) in config {
        for (option, value) in options.as_object().into_iter().flatten() {
            let value = match SENSITIVE.contains(&(group.as_str(), option.as_str())) {
                true => &Value::Null,
                false => value,
            };
            let row = Model {
                domain_id: domain_id.to_owned(),
                config_group: group.clone(),
                option: option.clone(),
                value: value.to_string(),
            };
            let key = (
                row.domain_id.clone(),
                row.config_group.clone(),
                row.option.clone(),
            );
            Entity::delete_by_id(key).exec(tx).await?;
            record::insert::<Entity>(tx, row).await?;
        }
    }
    Ok(())
}

/// `PUT`: 201 when there was none, 200 when one was replaced.
pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let config = wanted(&ctx)?;
    let tx = ctx.state.begin().await?;
    let id = domains::find(&tx, ctx.param("domain_id")).await?.id;
    let gone = Entity::delete_many()
        .filter(Column::DomainId.eq(id.as_str()))
        .exec(&tx)
        .await?;
    store(&tx, &id, &config).await?;
    let now = stored(&ctx, &tx).await?;
    ctx.state.commit(tx).await?;
    let answer = reply(json!({"config": now}));
    Ok(match gone.rows_affected {
        0 => answer,
        _ => answer.with_code(StatusCode::OK),
    })
}

/// `PATCH` of the whole, a group or an option; what is changed in part must be there.
pub async fn update(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let config = wanted(&ctx)?;
    let tx = ctx.state.begin().await?;
    let id = domains::find(&tx, ctx.param("domain_id")).await?.id;
    part(&ctx, &stored(&ctx, &tx).await?)?;
    store(&tx, &id, &config).await?;
    let now = stored(&ctx, &tx).await?;
    ctx.state.commit(tx).await?;
    Ok(reply(json!({"config": now})))
}

pub async fn delete(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let tx = ctx.state.begin().await?;
    let id = domains::find(&tx, ctx.param("domain_id")).await?.id;
    let mut which = Condition::all().add(Column::DomainId.eq(id));
    for (column, name) in [(Column::ConfigGroup, "group"), (Column::Option, "option")] {
        if !ctx.param(name).is_empty() {
            which = which.add(column.eq(ctx.param(name)));
        }
    }
    if Entity::delete_many()
        .filter(which)
        .exec(&tx)
        .await?
        .rows_affected
        == 0
    {
        return Err(missing(&ctx));
    }
    ctx.state.commit(tx).await?;
    no_content()
}
