//! The small tables that every token needs, read in one go: roles and what they imply, domains,
//! services and endpoints.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::fault::Fault;
use crate::tables::{
    endpoint_groups, endpoints, implied_roles, project_endpoint_groups, project_endpoints,
    projects, roles, services,
};

/// Roles, domains and the catalog at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub roles: HashMap<String, roles::Model>,
    /// From a prior role to the roles that it implies.
    pub implied: HashMap<String, Vec<String>>,
    pub domains: HashMap<String, projects::Model>,
    services: Vec<services::Model>,
    endpoints: Vec<endpoints::Model>,
    /// Endpoints that the catalogs of some projects are limited to; all others show every one.
    limited: HashMap<String, HashSet<String>>,
}

impl Snapshot {
    /// Reads the tables.
    pub async fn read(db: &impl ConnectionTrait) -> Result<Self, Fault> {
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
        let endpoints = endpoints::Entity::find()
            .order_by_asc(endpoints::Column::Id)
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
            limited: limited(db, &endpoints).await?,
            endpoints,
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

    /// The ids of the endpoints that the catalog of a project is limited to; none when it shows all.
    pub fn chosen_endpoints(&self, project_id: &str) -> impl Iterator<Item = &String> {
        self.limited.get(project_id).into_iter().flatten()
    }

    /// The catalog for a token. Endpoints whose URL needs a project are left out without one.
    pub fn catalog(&self, user_id: &str, project_id: Option<&str>) -> Value {
        let only = project_id.and_then(|id| self.limited.get(id));
        let entries = self
            .services
            .iter()
            .filter(|service| service.enabled)
            .map(|service| {
                let shown: Vec<Value> = self
                    .endpoints
                    .iter()
                    .filter(|endpoint| endpoint.enabled && endpoint.service_id == service.id)
                    .filter(|endpoint| only.is_none_or(|only| only.contains(&endpoint.id)))
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

/// Follows the endpoint filters: per project the endpoints chosen for it, alone or by a group.
async fn limited(
    db: &impl ConnectionTrait,
    endpoints: &[endpoints::Model],
) -> Result<HashMap<String, HashSet<String>>, Fault> {
    let mut limited: HashMap<String, HashSet<String>> = HashMap::new();
    for row in project_endpoints::Entity::find().all(db).await? {
        limited
            .entry(row.project_id)
            .or_default()
            .insert(row.endpoint_id);
    }
    let bonds = project_endpoint_groups::Entity::find().all(db).await?;
    if bonds.is_empty() {
        return Ok(limited);
    }
    let groups = endpoint_groups::Entity::find().all(db).await?;
    for bond in bonds {
        let chosen = limited.entry(bond.project_id).or_default();
        if let Some(group) = groups
            .iter()
            .find(|group| group.id == bond.endpoint_group_id)
        {
            let fitting = endpoints.iter().filter(|endpoint| fits(endpoint, group));
            chosen.extend(fitting.map(|endpoint| endpoint.id.clone()));
        }
    }
    Ok(limited)
}

/// Whether an endpoint has everything that a group filters by.
pub fn fits(endpoint: &endpoints::Model, group: &endpoint_groups::Model) -> bool {
    let filters: HashMap<String, Value> = serde_json::from_str(&group.filters).unwrap_or_default();
    filters.iter().all(|(key, want)| match key.as_str() {
        "interface" => *want == endpoint.interface,
        "service_id" => *want == endpoint.service_id,
        "region_id" => want.as_str() == endpoint.region_id.as_deref(),
        "enabled" => want.as_bool() == Some(endpoint.enabled),
        _ => false,
    })
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
