//! The small tables that every token needs, read in one go: roles and what they imply, domains,
//! services and endpoints.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};

use crate::fault::Fault;
use crate::tables::{endpoints, implied_roles, projects, roles, services};

/// Roles, domains and the catalog at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub roles: HashMap<String, roles::Model>,
    /// From a prior role to the roles that it implies.
    pub implied: HashMap<String, Vec<String>>,
    pub domains: HashMap<String, projects::Model>,
    services: Vec<services::Model>,
    endpoints: Vec<endpoints::Model>,
}

impl Snapshot {
    /// Reads the tables.
    pub async fn read(db: &DatabaseConnection) -> Result<Self, Fault> {
        let mut implied: HashMap<String, Vec<String>> = HashMap::new();
        for row in implied_roles::Entity::find().all(db).await? {
            implied
                .entry(row.prior_role_id)
                .or_default()
                .push(row.implied_role_id);
        }
        let roles = roles::Entity::find().all(db).await?;
        let domains = projects::Entity::find()
            .filter(projects::Column::IsDomain.eq(true))
            .all(db)
            .await?;
        Ok(Snapshot {
            roles: roles.into_iter().map(|row| (row.id.clone(), row)).collect(),
            implied,
            domains: domains
                .into_iter()
                .map(|row| (row.id.clone(), row))
                .collect(),
            services: services::Entity::find()
                .order_by_asc(services::Column::Kind)
                .all(db)
                .await?,
            endpoints: endpoints::Entity::find()
                .order_by_asc(endpoints::Column::Id)
                .all(db)
                .await?,
        })
    }

    /// The domain, when it is there and enabled.
    pub fn enabled_domain(&self, id: &str) -> Option<&projects::Model> {
        self.domains.get(id).filter(|domain| domain.enabled)
    }

    /// The domain's name; empty when there is no such domain.
    pub fn domain_name(&self, id: &str) -> &str {
        self.domains
            .get(id)
            .map_or("", |domain| domain.name.as_str())
    }

    /// `roles` and everything they imply.
    pub fn expand<'a>(&self, roles: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        let mut open: Vec<String> = roles.into_iter().map(str::to_owned).collect();
        let mut all = BTreeSet::new();
        while let Some(role) = open.pop() {
            if all.insert(role.clone()) {
                open.extend(self.implied.get(&role).into_iter().flatten().cloned());
            }
        }
        all
    }

    /// The catalog for a token. Endpoints whose URL needs a project are left out without one.
    pub fn catalog(&self, user_id: &str, project_id: Option<&str>) -> Value {
        let entries = self
            .services
            .iter()
            .filter(|service| service.enabled)
            .map(|service| {
                let shown: Vec<Value> = self
                    .endpoints
                    .iter()
                    .filter(|endpoint| endpoint.enabled && endpoint.service_id == service.id)
                    .filter_map(|endpoint| {
                        let url = substitute(&endpoint.url, user_id, project_id)?;
                        Some(json!({
                            "id": endpoint.id,
                            "interface": endpoint.interface,
                            "region": endpoint.region_id,
                            "region_id": endpoint.region_id,
                            "url": url,
                        }))
                    })
                    .collect();
                json!({
                    "id": service.id,
                    "type": service.kind,
                    "name": service.name.clone().unwrap_or_default(),
                    "endpoints": shown,
                })
            });
        entries.collect()
    }
}

/// Fills `$(project_id)s`, `%(tenant_id)s` and their like; `None` when a project is needed but absent.
fn substitute(url: &str, user_id: &str, project_id: Option<&str>) -> Option<String> {
    let mut url = url.to_owned();
    for sign in ["$", "%"] {
        for name in ["project_id", "tenant_id"] {
            let pattern = format!("{sign}({name})s");
            if url.contains(&pattern) {
                url = url.replace(&pattern, project_id?);
            }
        }
        url = url.replace(&format!("{sign}(user_id)s"), user_id);
    }
    Some(url)
}

/// Whether every `$(name)s` of an endpoint's URL is one that can be filled.
pub fn is_fillable(url: &str) -> bool {
    substitute(url, "u", Some("p"))
        .is_some_and(|filled| !filled.contains("$(") && !filled.contains("%("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_that_needs_a_project_is_left_out_without_one() {
        let url = "http://c/v3/$(project_id)s";
        assert_eq!(
            substitute(url, "u", Some("p")).as_deref(),
            Some("http://c/v3/p")
        );
        assert_eq!(substitute(url, "u", None), None);
        assert_eq!(
            substitute("http://c/%(user_id)s", "u", None).as_deref(),
            Some("http://c/u")
        );
        assert!(!is_fillable("http://c/$(planet)s"));
    }

    #[test]
    fn implied_roles_follow_in_chains_and_circles() {
        let mut snapshot = Snapshot::default();
        for (prior, implied) in [("a", "b"), ("b", "c"), ("c", "a")] {
            snapshot
                .implied
                .insert(prior.to_owned(), vec![implied.to_owned()]);
        }
        assert_eq!(
            snapshot.expand(["b"]).into_iter().collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
    }
}
