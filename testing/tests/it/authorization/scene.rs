//! What is there to be asked about: a thing behind every part of every path.

use std::collections::HashMap;

use http::Method;
use kilonova::docs::Face;
use rest::{Line, Status, Verb};
use serde_json::{Value, json};
use testing::{TestCloud, User};
use web::policy::Target;

use super::callers::Caller;

/// A project with one of everything, and one of everything that the identity service keeps.
pub struct Scene {
    pub project: String,
    pub other_project: String,
    /// The member of the project whose things they are.
    owner: User,
    /// A token of the user that the calls of the identity service are about.
    pub subject_token: String,
    /// By the part of a path before it, or its own name, with the service's name before.
    things: HashMap<String, String>,
    /// Ids that only some may see.
    hidden: Vec<String>,
}

pub fn id(value: &Value) -> String {
    match &value["id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    }
}

/// Nothing has this id.
const NOTHING: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// Whether a call takes away what others are still to be asked about.
pub fn destroys(call: &Line) -> bool {
    let harmless = [
        "/tags",
        "/users/{user_id}",
        "/auto-allocated-topology/{project}",
    ];
    let gone = call.verb == Verb::Delete
        && (call.path == "/v3/users/{user_id}"
            || !harmless.iter().any(|end| call.path.ends_with(end)));
    gone || matches!(call.action, Some("forceDelete" | "os-force_delete"))
}

impl Scene {
    pub async fn build(cloud: &TestCloud) -> Self {
        let admin = cloud.admin().await;
        let owner = cloud.stranger("scene").await;
        let other = cloud.stranger("other").await;
        let mut scene = Scene {
            project: owner.project_id.clone(),
            other_project: other.project_id.clone(),
            owner: owner.clone(),
            subject_token: String::new(),
            things: HashMap::new(),
            hidden: Vec::new(),
        };
        scene.compute(cloud, &admin).await;
        scene.network(&admin).await;
        scene.identity(&admin).await;
        super::volume::furnish(&mut scene, &owner, &admin).await;
        scene
    }

    pub fn put(&mut self, key: &str, value: &str) {
        self.things.insert(key.to_owned(), value.to_owned());
    }

    pub fn hide(&mut self, key: &str, value: &str) {
        self.put(key, value);
        self.hidden.push(value.to_owned());
    }

    pub fn thing(&self, key: &str) -> &str {
        self.things.get(key).map_or("", String::as_str)
    }

    async fn compute(&mut self, cloud: &TestCloud, admin: &User) {
        let owner = self.owner.clone();
        let server = cloud.boot(&owner, "thing").await;
        server.reaches("ACTIVE").await;
        let path = format!("/servers/{}/metadata", server.id);
        let metadata = json!({"metadata": {"key": "value"}});
        let post = Method::POST;
        owner
            .compute("latest", post.clone(), &path, Some(&metadata))
            .await
            .expect(200);
        let actions = owner
            .get(&format!(
                "/compute/v2.1/servers/{}/os-instance-actions",
                server.id
            ))
            .await
            .expect(200);
        let request = actions["instanceActions"][0]["request_id"].as_str();
        let group = json!({"server_group": {"name": "g", "policy": "affinity"}});
        let group = owner
            .compute("latest", post, "/os-server-groups", Some(&group))
            .await
            .expect(200);
        let aggregate = json!({"aggregate": {"name": "a"}});
        let aggregate = admin
            .post("/compute/v2.1/os-aggregates", &aggregate)
            .await
            .expect(200);
        let nodes = admin
            .compute("latest", Method::GET, "/os-hypervisors", None)
            .await
            .expect(200);
        let services = admin
            .compute("latest", Method::GET, "/os-services", None)
            .await
            .expect(200);
        let specs = json!({"extra_specs": {"hw:cpu_sockets": "1"}});
        admin
            .post("/compute/v2.1/flavors/tiny/os-extra_specs", &specs)
            .await
            .expect(200);
        self.hide("compute servers", &server.id);
        self.hide("compute os-volumes_boot", &server.id);
        self.put("compute metadata", "key");
        self.put("compute tags", "blue");
        self.put("compute ips", "private");
        self.put("compute os-interface", NOTHING);
        self.put("compute os-volume_attachments", NOTHING);
        self.put("compute migrations", NOTHING);
        self.put(
            "compute os-instance_usage_audit_log",
            "2026-01-15%2010:00:00",
        );
        self.put("compute os-instance-actions", request.expect("an id"));
        self.put("compute flavors", "tiny");
        self.put("compute os-extra_specs", "hw:cpu_sockets");
        self.put("compute os-aggregates", &id(&aggregate["aggregate"]));
        self.put("compute os-keypairs", "key");
        self.put("compute os-hosts", "nowhere");
        self.put("compute os-hypervisors", &id(&nodes["hypervisors"][0]));
        self.put("compute os-services", &id(&services["services"][0]));
        let project = self.project.clone();
        self.put("compute os-quota-sets", &project);
        self.put("compute os-simple-tenant-usage", &project);
        self.put("compute os-quota-class-sets", "default");
        self.hide("compute os-server-groups", &id(&group["server_group"]));
        for key in [
            "os-console-auth-tokens",
            "os-kilonova-operations",
            "os-baremetal-nodes",
            "os-security-group-rules",
            "os-snapshots",
            "os-volumes",
        ] {
            self.put(&format!("compute {key}"), NOTHING);
        }
        self.put("compute versions", "v2.1");
        self.put("compute extensions", "os-keypairs");
        let image = cloud.image(&owner).await;
        self.hide("image images", &image);
        self.put("compute images", &image);
        self.put("image tags", "blue");
        self.put("image stores", "store");
        self.put("image {store}", "store");
        self.put("image {id}", &image);
        let member = json!({"member": self.other_project});
        self.put("image members", &self.other_project.clone());
        self.put("image schemas", "image");
        self.put("image metadefs", "namespace");
        let definitions = json!({
            "namespace": "thing", "owner": self.project, "objects": [{"name": "object"}],
            "properties": {"property": {"title": "P", "type": "string"}}, "tags": [{"name": "blue"}],
            "resource_type_associations": [{"name": "kind"}],
        });
        let namespaces = "/image/v2/metadefs/namespaces";
        admin.post(namespaces, &definitions).await.expect(201);
        for (key, name) in [
            ("namespaces", "thing"),
            ("objects", "object"),
            ("properties", "property"),
            ("resource_types", "kind"),
        ] {
            self.put(&format!("image {key}"), name);
        }
        self.put("image tasks", NOTHING);
        let shared = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
        let image = format!("/image/v2/images/{image}");
        owner.patch(&image, &shared).await.expect(200);
        owner
            .post(&format!("{image}/members"), &member)
            .await
            .expect(200);
        self.put(
            "compute host",
            nodes["hypervisors"][0]["hypervisor_hostname"]
                .as_str()
                .expect("a name"),
        );
    }

    async fn network(&mut self, admin: &User) {
        let owner = self.owner.clone();
        let make = async |by: &User, path: &str, name: &str, body: Value| {
            let made = by
                .post(&format!("/network/v2.0/{path}"), &json!({name: body}))
                .await
                .expect(201);
            id(&made[name])
        };
        let outside = json!({"name": "outside", "router:external": true});
        let outside = make(admin, "networks", "network", outside).await;
        let range = json!({"network_id": outside, "ip_version": 4, "cidr": "198.18.7.0/24"});
        make(admin, "subnets", "subnet", range).await;
        let network = make(&owner, "networks", "network", json!({"name": "n"})).await;
        let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24"});
        let subnet = make(&owner, "subnets", "subnet", subnet).await;
        let port = make(&owner, "ports", "port", json!({"network_id": network})).await;
        let group = make(
            &owner,
            "security-groups",
            "security_group",
            json!({"name": "g"}),
        )
        .await;
        let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp"});
        let rule = make(&owner, "security-group-rules", "security_group_rule", rule).await;
        let router = make(&owner, "routers", "router", json!({"name": "r"})).await;
        let floating = json!({"floating_network_id": outside});
        let floating = make(&owner, "floatingips", "floatingip", floating).await;
        let scope = json!({"name": "s", "ip_version": 4});
        let scope = make(&owner, "address-scopes", "address_scope", scope).await;
        let pool = json!({"name": "p", "prefixes": ["10.78.0.0/16"], "default_prefixlen": 24});
        let pool = make(&owner, "subnetpools", "subnetpool", pool).await;
        let policy = json!({
            "object_type": "network", "object_id": network, "action": "access_as_shared",
            "target_tenant": "7f3c1a5200004000800000000000beef",
        });
        let policy = make(&owner, "rbac-policies", "rbac_policy", policy).await;
        self.put("network outside", &outside);
        for (key, value) in [
            ("networks", &network),
            ("subnets", &subnet),
            ("ports", &port),
            ("security-groups", &group),
            ("security-group-rules", &rule),
            ("routers", &router),
            ("floatingips", &floating),
            ("address-scopes", &scope),
            ("subnetpools", &pool),
            ("rbac-policies", &policy),
        ] {
            self.hide(&format!("network {key}"), value);
        }
        self.put("compute os-security-groups", &group);
        self.put("compute os-networks", &network);
        self.put("compute os-tenant-networks", &network);
        self.put("compute os-floating-ips", &floating);
        let project = self.project.clone();
        for key in ["quotas", "auto-allocated-topology"] {
            self.put(&format!("network {key}"), &project);
        }
        self.put("network network-ip-availabilities", &network);
        self.put("network agents", NOTHING);
        self.put("network port_forwardings", NOTHING);
        self.put("network bindings", "elsewhere");
        self.put("network extensions", "router");
        self.put("network tags", "blue");
    }

    async fn identity(&mut self, admin: &User) {
        let make = async |path: &str, name: &str, body: Value| {
            let made = admin
                .post(&format!("/identity/v3/{path}"), &json!({name: body}))
                .await
                .expect(201);
            id(&made[name])
        };
        let domain = make("domains", "domain", json!({"name": "d"})).await;
        let project = make("projects", "project", json!({"name": "vp"})).await;
        let user = json!({
            "name": "subject", "password": "secret-word", "domain_id": "default", "default_project_id": project,
        });
        let user = make("users", "user", user).await;
        let group = make("groups", "group", json!({"name": "vg"})).await;
        let role = make("roles", "role", json!({"name": "vr"})).await;
        let implied = make("roles", "role", json!({"name": "implied"})).await;
        let service = make(
            "services",
            "service",
            json!({"type": "thing", "name": "thing"}),
        )
        .await;
        let endpoint = json!({"service_id": service, "interface": "public", "url": "http://thing"});
        let endpoint = make("endpoints", "endpoint", endpoint).await;
        let region = make("regions", "region", json!({"id": "far"})).await;
        let filters = json!({"name": "eg", "filters": {"interface": "public"}});
        let endpoint_group = make("OS-EP-FILTER/endpoint_groups", "endpoint_group", filters).await;
        let policy = json!({"blob": "{}", "type": "application/json"});
        let policy = make("policies", "policy", policy).await;
        let consumer = make(
            "OS-OAUTH1/consumers",
            "consumer",
            json!({"description": "c"}),
        )
        .await;
        let credential =
            json!({"type": "other", "blob": "x", "user_id": user, "project_id": project});
        let credential = make("credentials", "credential", credential).await;
        let registered = json!({"registered_limits": [
            {"service_id": service, "resource_name": "things", "default_limit": 5},
        ]});
        let registered = admin
            .post("/identity/v3/registered_limits", &registered)
            .await
            .expect(201);
        let limit = json!({"limits": [
            {"service_id": service, "resource_name": "things", "project_id": project, "resource_limit": 6},
        ]});
        let limit = admin.post("/identity/v3/limits", &limit).await.expect(201);
        let members = admin.get("/identity/v3/roles?name=member").await;
        let member = id(&members.expect(200)["roles"][0]);
        for path in [
            format!("projects/{project}/users/{user}/roles/{member}"),
            format!("projects/{project}/users/{user}/roles/{role}"),
            format!("projects/{project}/groups/{group}/roles/{role}"),
            format!("domains/{domain}/users/{user}/roles/{role}"),
        ] {
            admin
                .put(&format!("/identity/v3/{path}"), &json!({}))
                .await
                .expect(204);
        }
        let who = json!({"user": {"id": user, "password": "secret-word"}});
        let scope = json!({"project": {"id": project}});
        let login = json!({"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}});
        let answer = admin.post("/identity/v3/auth/tokens", &login).await;
        let token = answer.headers["x-subject-token"].to_str().expect("text");
        token.clone_into(&mut self.subject_token);
        let subject = admin.with_token(token);
        let own = async |path: &str, name: &str, body: Value| {
            let made = subject
                .post(&format!("/identity/v3/{path}"), &json!({name: body}))
                .await
                .expect(201);
            made[name].clone()
        };
        let credentials = format!("users/{user}/application_credentials");
        let rules = json!([{"path": "/v2.1/servers", "method": "GET", "service": "compute"}]);
        let application = json!({"name": "app", "access_rules": rules});
        let application = own(&credentials, "application_credential", application).await;
        let trust = json!({
            "trustor_user_id": user, "trustee_user_id": self.owner.user_id, "project_id": project,
            "impersonation": true, "roles": [{"id": role}],
        });
        let trust = own("OS-TRUST/trusts", "trust", trust).await;
        let ec2 = json!({"tenant_id": project});
        let ec2 = subject
            .post(
                &format!("/identity/v3/users/{user}/credentials/OS-EC2"),
                &ec2,
            )
            .await
            .expect(201);
        let spare = make("projects", "project", json!({"name": "spare"})).await;
        self.put("identity spare /v3/projects/{project_id}", &spare);
        let spare = make("users", "user", json!({"name": "spare"})).await;
        self.put("identity spare /v3/users/{user_id}", &spare);
        let spare = make("groups", "group", json!({"name": "spare"})).await;
        self.put("identity spare /v3/groups/{group_id}", &spare);
        for (key, value) in [
            ("{domain_id}", domain.as_str()),
            ("{project_id}", &project),
            ("{user_id}", &user),
            ("{group_id}", &group),
            ("{role_id}", &role),
            ("{implied_role_id}", &implied),
            ("{tag}", "blue"),
            ("{service_id}", &service),
            ("{endpoint_id}", &endpoint),
            ("{endpoint_group_id}", &endpoint_group),
            ("{region_id}", &region),
            ("{policy_id}", &policy),
            ("{consumer_id}", &consumer),
            ("{credential_id}", &credential),
            (
                "OS-EC2",
                ec2["credential"]["access"].as_str().expect("a key"),
            ),
            (
                "{registered_limit_id}",
                &id(&registered["registered_limits"][0]),
            ),
            ("{limit_id}", &id(&limit["limits"][0])),
            ("{application_credential_id}", &id(&application)),
            ("{access_rule_id}", &id(&application["access_rules"][0])),
            ("{trust_id}", &id(&trust)),
            ("{group}", "identity"),
            ("{option}", "driver"),
        ] {
            self.put(&format!("identity {key}"), value);
        }
        self.hidden
            .extend([credential, id(&application), id(&trust)]);
    }

    /// The path with a thing behind every part of it; none when one is missing from the scene.
    pub fn fill(&self, face: &Face, call: &Line) -> Option<String> {
        let mut path = face.prefix.clone();
        let mut before = "";
        for segment in call.path.trim_start_matches('/').split('/') {
            let open = segment.starts_with('{');
            let found = || {
                let keys = [before, segment];
                let mut keys = keys.iter().map(|key| format!("{} {key}", face.name));
                keys.find_map(|key| self.things.get(&key))
            };
            path.push('/');
            match (open, open.then(found).flatten()) {
                (false, _) => path.push_str(segment),
                (true, Some(thing)) => path.push_str(thing),
                (true, None) if call.status != Status::Built => path.push_str("thing"),
                (true, None) => return None,
            }
            if !open {
                before = segment;
            }
        }
        Some(path)
    }

    /// The path with nothing behind its last open part.
    pub fn elsewhere(&self, face: &Face, call: &Line) -> String {
        let spare = format!("{} spare {}", face.name, call.path);
        if let Some(spare) = self.things.get(&spare) {
            let (list, _) = call.path.rsplit_once('/').unwrap_or_default();
            return format!("{}{list}/{spare}", face.prefix);
        }
        let Some(last) = call.path.rfind('{') else {
            return self.fill(face, call).unwrap_or_default();
        };
        let end = call.path[last..]
            .find('}')
            .map_or(call.path.len(), |end| last + end + 1);
        let head = Line {
            path: &call.path[..last.saturating_sub(1)],
            ..call.clone()
        };
        let head = self.fill(face, &head).unwrap_or_default();
        format!("{head}/{NOTHING}{}", &call.path[end..])
    }

    /// Whether a text shows something that only some may see.
    pub fn shows(&self, text: &str) -> bool {
        self.hidden.iter().any(|id| text.contains(id.as_str()))
    }

    /// What a rule may ask about the target of a call.
    pub fn target<'a>(&'a self, face: &Face, call: &Line, caller: &'a Caller) -> Target<'a> {
        let known = caller.subject.as_ref().expect("somebody known");
        let own = known.project_id.as_deref();
        match face.name {
            "compute" => {
                let owned = [
                    "/servers/{",
                    "/os-server-groups/{",
                    "/os-quota-sets/{",
                    "/os-simple-tenant-usage/{",
                    "/os-volumes_boot/{",
                ];
                match owned.iter().any(|path| call.path.starts_with(path)) {
                    true => self.of_owner(),
                    false => Target::new()
                        .with("user_id", known.user_id.as_str())
                        .with_option("project_id", own),
                }
            }
            "image" => {
                let image = call.path.contains("{id}") && !call.path.starts_with("/v2/tasks");
                let owner = match image || call.path.contains("{namespace}") {
                    true => Some(self.project.as_str()),
                    false => own,
                };
                let visibility = if image { "shared" } else { "private" };
                Target::new()
                    .with_option("project_id", owner)
                    .with_option("owner", owner)
                    .with("visibility", visibility)
                    .with_option("member_id", own.filter(|own| *own == self.other_project))
            }
            "network" => {
                let owner = match call.verb == Verb::Post && !call.path.contains('{') {
                    true => own,
                    false => Some(self.project.as_str()),
                };
                let project = self.project.as_str();
                Target::new()
                    .with_option("project_id", owner)
                    .with_option("tenant_id", owner)
                    .with("network:project_id", project)
                    .with("security_group:project_id", project)
                    .with("ext_parent:project_id", project)
                    .with("shared", "False")
                    .with("router:external", "False")
            }
            "volume" => super::volume::target(self, face, call, known),
            _ => self.of_identity(call),
        }
    }

    pub fn of_owner(&self) -> Target<'_> {
        Target::new()
            .with("user_id", self.owner.user_id.as_str())
            .with("project_id", self.project.as_str())
    }

    /// The objects that the path names, or those of the domain that a creation or a list is in.
    fn of_identity(&self, call: &Line) -> Target<'_> {
        let names = |part: &str| call.path.contains(part);
        let user = self.thing("identity {user_id}");
        let project = self.thing("identity {project_id}");
        let domain = self.thing("identity {domain_id}");
        let mut target = Target::new()
            .with("user_id", user)
            .with("target.credential.user_id", user)
            .with("target.token.user_id", user)
            .with("target.trust.trustor_user_id", user)
            .with("target.trust.trustee_user_id", self.owner.user_id.as_str())
            .with("target.limit.project_id", project)
            .with("target.limit.project.domain_id", "default")
            .with("target.domain.id", domain)
            .with("target.domain_id", domain)
            .with("target.role.domain_id", "None")
            .with("target.role.name", "vr");
        if names("{user_id}") || !names("{group_id}") {
            target = target
                .with("target.user.id", user)
                .with("target.user.domain_id", "default");
        }
        if names("{group_id}") || !names("{user_id}") {
            target = target.with("target.group.domain_id", "default");
        }
        if names("{project_id}") || !names("{domain_id}") {
            target = target
                .with("target.project.domain_id", "default")
                .with("target.project.id", project);
        }
        target
    }
}
