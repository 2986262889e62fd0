//! Who asks.

use serde_json::{Value, json};
use testing::{TestCloud, User};
use web::policy::Subject;

use super::scene::{Scene, id};

/// Somebody who asks.
pub struct Caller {
    pub name: &'static str,
    pub user: User,
    /// None for somebody without a token.
    pub subject: Option<Known>,
}

/// What a token says.
pub struct Known {
    pub user_id: String,
    pub project_id: Option<String>,
    domain_id: Option<&'static str>,
    system: bool,
    roles: Vec<String>,
}

impl Subject for Known {
    fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            "user_id" => Some(&self.user_id),
            "user_domain_id" => Some("default"),
            "project_id" | "tenant" | "tenant_id" => self.project_id.as_deref(),
            "project_domain_id" => self.project_id.as_ref().map(|_| "default"),
            "domain_id" | "token.domain.id" => self.domain_id,
            "system_scope" => self.system.then_some("all"),
            _ => None,
        }
    }

    fn lacks(&self, name: &str) -> bool {
        ["domain_id", "project_id", "system_scope"].contains(&name)
            && self.attribute(name).is_none()
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn service_roles(&self) -> &[String] {
        &[]
    }
}

/// Roles that a role implies, itself included.
fn implied(role: &str) -> Vec<String> {
    let ladder = ["admin", "manager", "member", "reader"];
    match ladder.iter().position(|known| *known == role) {
        Some(at) => ladder[at..].iter().map(|role| (*role).to_owned()).collect(),
        None => vec![role.to_owned()],
    }
}

/// Everybody: nobody known, no role that counts, each role in the scene's project, a member of another project, a
/// manager of the domain, a reader of the system, the administrator, a service.
pub async fn all(cloud: &TestCloud, scene: &Scene) -> Vec<Caller> {
    let admin = cloud.admin().await;
    let mut all = Vec::new();
    let nothing = json!({"role": {"name": "nothing"}});
    admin.post("/identity/v3/roles", &nothing).await.expect(201);
    for (name, role, domain) in [
        ("manager of the domain", "manager", Some("default")),
        ("reader of the system", "reader", None),
    ] {
        let user = make(&admin, name).await;
        let (place, scope) = match domain {
            Some(domain) => (
                format!("domains/{domain}"),
                json!({"domain": {"id": domain}}),
            ),
            None => ("system".to_owned(), json!({"system": {"all": true}})),
        };
        let grant = format!("/identity/v3/{place}/users/{user}/roles");
        give(&admin, &grant, role).await;
        all.push(Caller {
            name,
            user: log_in(&admin, &user, scope).await,
            subject: Some(Known {
                user_id: user,
                project_id: None,
                domain_id: domain,
                system: domain.is_none(),
                roles: implied(role),
            }),
        });
    }
    let own = scene.project.as_str();
    for (name, role, place) in [
        ("no role", "nothing", own),
        ("reader", "reader", own),
        ("member", "member", own),
        ("manager", "manager", own),
        ("another's member", "member", scene.other_project.as_str()),
        ("administrator", "admin", own),
        ("service", "service", own),
    ] {
        let user = make(&admin, name).await;
        let grant = format!("/identity/v3/projects/{place}/users/{user}/roles");
        give(&admin, &grant, role).await;
        let scope = json!({"project": {"id": place}});
        all.push(Caller {
            name,
            user: log_in(&admin, &user, scope).await,
            subject: Some(Known {
                user_id: user,
                project_id: Some(place.to_owned()),
                domain_id: None,
                system: false,
                roles: implied(role),
            }),
        });
    }
    all.push(Caller {
        name: "nobody",
        user: admin.with_token("nothing"),
        subject: None,
    });
    all
}

async fn make(admin: &User, name: &str) -> String {
    let body = json!({"user": {"name": name, "password": "secret-word", "domain_id": "default"}});
    let made = admin.post("/identity/v3/users", &body).await.expect(201);
    id(&made["user"])
}

async fn give(admin: &User, grant: &str, role: &str) {
    let roles = admin
        .get(&format!("/identity/v3/roles?name={role}"))
        .await
        .expect(200);
    let path = format!("{grant}/{}", id(&roles["roles"][0]));
    admin.put(&path, &json!({})).await.expect(204);
}

async fn log_in(admin: &User, user: &str, scope: Value) -> User {
    let who = json!({"user": {"id": user, "password": "secret-word"}});
    let body =
        json!({"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}});
    let answer = admin.post("/identity/v3/auth/tokens", &body).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    let token = answer.headers["x-subject-token"].to_str().expect("text");
    admin.with_token(token)
}
