//! A body that each call would take.

use kilonova::docs::Face;
use rest::{Line, Status};
use serde_json::{Value, json};

use super::scene::Scene;

/// Calls whose verb could have a body, and that take none.
const NONE: &[&str] = &[
    "PUT /identity/v3/projects/{project_id}/tags/{tag}",
    "PUT /identity/v3/groups/{group_id}/users/{user_id}",
    "PUT /image/v2/images/{id}/tags/{tag}",
    "PUT /image/v2/images/{id}/file",
    "PUT /image/v2/images/{id}/stage",
    "POST /image/v2/images/{id}/actions/deactivate",
    "POST /image/v2/images/{id}/actions/reactivate",
    "POST /image/v2/metadefs/namespaces/{namespace}/tags/{tag}",
    "PUT /compute/v2.1/servers/{server_id}/tags/{id}",
    "PUT /network/v2.0/ports/{id}/bindings/{host}/activate",
    "POST /compute/v2.1/os-baremetal-nodes",
];

pub fn has_none(face: &Face, call: &Line) -> bool {
    let name = format!("{} {}{}", call.verb, face.prefix, call.path);
    let bond = ["/roles/{role_id}", "/implies/", "OS-EP-FILTER"];
    NONE.contains(&name.as_str())
        || (face.name == "identity"
            && name.starts_with("PUT ")
            && bond.iter().any(|part| call.path.contains(part)))
        || (face.name == "network" && call.path.ends_with("/tags/{tag}"))
}

/// The body; none when the table has none.
pub fn of(face: &Face, call: &Line, scene: &Scene) -> Option<Value> {
    match face.name {
        "compute" => compute(call, scene),
        "identity" => identity(call, scene),
        "image" => image(call, scene),
        "volume" => super::volume::body(call, scene),
        _ => network(call, scene),
    }
}

fn compute(call: &Line, scene: &Scene) -> Option<Value> {
    if let Some(action) = call.action {
        if call.status == Status::NotBuilt || refused_for_all(action) {
            return Some(json!({action: {}}));
        }
        return action_body(action, scene).map(|body| json!({action: body}));
    }
    let verb = call.verb.to_string();
    let image = scene.thing("image images");
    let server = json!({"name": "new", "flavorRef": "tiny", "imageRef": image, "networks": "none"});
    Some(match (verb.as_str(), call.path) {
        ("POST", "/servers") => json!({"server": server}),
        ("POST", "/os-volumes_boot") => json!({"server": server}),
        ("PUT", "/servers/{id}" | "/os-volumes_boot/{id}") => json!({"server": {"name": "thing"}}),
        ("POST" | "PUT", "/servers/{server_id}/metadata") => json!({"metadata": {"key": "value"}}),
        ("PUT", "/servers/{server_id}/metadata/{id}") => json!({"meta": {"key": "value"}}),
        // Known to all: a network that is not there.
        ("POST", "/servers/{server_id}/os-interface") => {
            json!({"interfaceAttachment": {"net_id": "7f3c1a52-0000-4000-8000-00000000dead"}})
        }
        // A volume that is not there.
        ("POST", "/servers/{server_id}/os-volume_attachments")
        | ("PUT", "/servers/{server_id}/os-volume_attachments/{id}") => {
            json!({"volumeAttachment": {"volumeId": "7f3c1a52-0000-4000-8000-00000000dead"}})
        }
        ("POST", "/servers/{server_id}/remote-consoles") => {
            json!({"remote_console": {"protocol": "vnc", "type": "novnc"}})
        }
        ("PUT", "/servers/{server_id}/tags") => json!({"tags": ["blue"]}),
        ("POST", "/os-aggregates") => json!({"aggregate": {"name": "another"}}),
        ("PUT", "/os-aggregates/{id}") => json!({"aggregate": {"name": "a"}}),
        ("PUT", "/os-quota-class-sets/{id}") => json!({"quota_class_set": {"cores": 50}}),
        ("PUT", "/os-quota-sets/{id}") => json!({"quota_set": {"cores": 50}}),
        ("POST", "/os-server-external-events") => json!({"events": [
            {"name": "network-changed", "server_uuid": scene.thing("compute servers")},
        ]}),
        ("PUT", "/os-hosts/{id}") => json!({"status": "enable"}),
        ("PUT", "/os-services/{id}") => json!({"status": "enabled"}),
        ("POST", "/flavors") => {
            json!({"flavor": {"name": "new", "ram": 64, "vcpus": 1, "disk": 1}})
        }
        ("PUT", "/flavors/{id}") => json!({"flavor": {"description": "small"}}),
        ("POST", "/flavors/{flavor_id}/os-extra_specs") => {
            json!({"extra_specs": {"hw:cpu_sockets": "1"}})
        }
        ("PUT", "/flavors/{flavor_id}/os-extra_specs/{id}") => json!({"hw:cpu_sockets": "1"}),
        ("POST", "/os-keypairs") => json!({"keypair": {
            "name": "key", "type": "ssh",
            "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDgOzVUXHDf7Jm8T6TwWzZ8mvCzLFLbLfH5CBzq2p8Qf x",
        }}),
        ("POST", "/os-server-groups") => {
            json!({"server_group": {"name": "g", "policy": "affinity"}})
        }
        ("POST" | "PUT", "/images/{image_id}/metadata") => json!({"metadata": {"key": "value"}}),
        ("PUT", "/images/{image_id}/metadata/{id}") => json!({"meta": {"key": "value"}}),
        ("POST", "/os-aggregates/{id}/images") => {
            json!({"cache": [{"id": scene.thing("image images")}]})
        }
        ("POST", "/os-floating-ips") => json!({"pool": "outside"}),
        ("POST", "/os-volumes") => json!({"volume": {"size": 1}}),
        ("POST", "/os-snapshots") => {
            json!({"snapshot": {"volume_id": "7f3c1a52-0000-4000-8000-00000000dead"}})
        }
        ("POST", "/os-security-groups") => {
            json!({"security_group": {"name": "old", "description": "old"}})
        }
        ("PUT", "/os-security-groups/{id}") => {
            json!({"security_group": {"name": "g", "description": "g"}})
        }
        ("POST", "/os-security-group-rules") => json!({"security_group_rule": {
            "parent_group_id": scene.thing("compute os-security-groups"),
            "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8",
        }}),
        _ => return None,
    })
}

/// Calls of which nothing but the refusal is left.
fn refused_for_all(action: &str) -> bool {
    ["os-getRDPConsole", "add_interface", "remove_interface"].contains(&action)
}

fn action_body(action: &str, scene: &Scene) -> Option<Value> {
    Some(match action {
        "rescue" | "unrescue" | "trigger_crash_dump" => json!(null),
        "resize" => json!({"flavorRef": "tiny"}),
        "confirmResize" | "revertResize" | "shelve" | "shelveOffload" | "unshelve" => json!(null),
        "rebuild" => json!({"imageRef": scene.thing("image images")}),
        "addFixedIp" => json!({"networkId": "7f3c1a52-0000-4000-8000-00000000dead"}),
        "removeFixedIp" => json!({"address": "198.18.7.250"}),
        "addFloatingIp" | "removeFloatingIp" => json!({"address": "198.18.7.250"}),
        "add_host" | "remove_host" => json!({"host": "nowhere"}),
        "set_metadata" => json!({"metadata": {"key": "value"}}),
        "abandon" => json!(null),
        "addTenantAccess" | "removeTenantAccess" => json!({"tenant": scene.other_project}),
        "addSecurityGroup" | "removeSecurityGroup" => json!({"name": "default"}),
        "changePassword" => json!({"adminPass": "another one"}),
        "createImage" => json!({"name": "copy"}),
        "createBackup" => json!({"name": "backup", "backup_type": "daily", "rotation": 1}),
        "reboot" => json!({"type": "HARD"}),
        "os-getConsoleOutput" => json!({}),
        "os-getSPICEConsole" => json!({"type": "spice-html5"}),
        "os-getSerialConsole" => json!({"type": "serial"}),
        "os-getVNCConsole" => json!({"type": "novnc"}),
        "os-resetState" => json!({"state": "active"}),
        "forceDelete" | "injectNetworkInfo" | "lock" | "os-start" | "os-stop" | "pause"
        | "restore" | "resume" | "retry" | "suspend" | "undo" | "unlock" | "unpause" => json!(null),
        _ => return None,
    })
}

fn identity(call: &Line, scene: &Scene) -> Option<Value> {
    let verb = call.verb.to_string();
    let thing = |key: &str| scene.thing(&format!("identity {key}")).to_owned();
    let described = |name: &str| json!({name: {"description": "same"}});
    Some(match (verb.as_str(), call.path) {
        ("POST", "/v3/auth/tokens") => json!({"auth": {"identity": {
            "methods": ["token"], "token": {"id": scene.subject_token},
        }}}),
        ("POST", "/v3/users/{user_id}/password") => {
            json!({"user": {"original_password": "wrong", "password": "another-word"}})
        }
        ("POST", "/v3/domains") => json!({"domain": {"name": format!("d{}", unique())}}),
        ("POST", "/v3/projects") => json!({"project": {"name": format!("p{}", unique())}}),
        ("POST", "/v3/users") => {
            json!({"user": {"name": format!("u{}", unique()), "domain_id": "default"}})
        }
        ("POST", "/v3/groups") => {
            json!({"group": {"name": format!("g{}", unique()), "domain_id": "default"}})
        }
        ("POST", "/v3/roles") => json!({"role": {"name": format!("r{}", unique())}}),
        ("POST", "/v3/services") => json!({"service": {"type": format!("t{}", unique())}}),
        ("POST", "/v3/regions") => json!({"region": {"description": "new"}}),
        ("PUT", "/v3/regions/{region_id}") => json!({"region": {"description": "new"}}),
        ("POST", "/v3/endpoints") => json!({"endpoint": {
            "service_id": thing("{service_id}"), "interface": "internal", "url": "http://thing",
        }}),
        ("POST", "/v3/policies") => json!({"policy": {"blob": "{}", "type": "application/json"}}),
        ("POST", "/v3/OS-EP-FILTER/endpoint_groups") => {
            json!({"endpoint_group": {"name": "new", "filters": {"interface": "admin"}}})
        }
        ("POST", "/v3/OS-OAUTH1/consumers") => described("consumer"),
        ("POST", "/v3/registered_limits") => json!({"registered_limits": [{
            "service_id": thing("{service_id}"), "resource_name": format!("r{}", unique()), "default_limit": 1,
        }]}),
        ("POST", "/v3/limits") => json!({"limits": [{
            "service_id": thing("{service_id}"), "project_id": scene.other_project,
            "resource_name": "things", "resource_limit": 1,
        }]}),
        ("POST", "/v3/credentials") => json!({"credential": {
            "type": "other", "blob": "x", "user_id": thing("{user_id}"), "project_id": thing("{project_id}"),
        }}),
        ("POST", "/v3/users/{user_id}/credentials/OS-EC2") => {
            json!({"tenant_id": thing("{project_id}")})
        }
        ("POST", "/v3/users/{user_id}/application_credentials") => {
            json!({"application_credential": {"name": "new"}})
        }
        ("POST", "/v3/OS-TRUST/trusts") => json!({"trust": {
            "trustor_user_id": thing("{user_id}"), "trustee_user_id": thing("{user_id}"),
            "project_id": thing("{project_id}"), "impersonation": false, "roles": [{"id": thing("{role_id}")}],
        }}),
        ("PUT", "/v3/projects/{project_id}/tags") => json!({"tags": ["blue"]}),
        ("PUT" | "PATCH", "/v3/domains/{domain_id}/config") => {
            json!({"config": {"identity": {"driver": "ldap"}}})
        }
        ("PATCH", "/v3/domains/{domain_id}/config/{group}") => {
            json!({"config": {"identity": {"driver": "ldap"}}})
        }
        ("PATCH", "/v3/domains/{domain_id}/config/{group}/{option}") => {
            json!({"config": {"driver": "ldap"}})
        }
        ("PATCH", path) => match path.rsplit('/').nth(1)? {
            "domains" => described("domain"),
            "projects" => described("project"),
            "users" => described("user"),
            "groups" => described("group"),
            "roles" => described("role"),
            "services" => described("service"),
            "regions" => described("region"),
            "endpoints" => json!({"endpoint": {"enabled": true}}),
            "endpoint_groups" => described("endpoint_group"),
            "policies" => json!({"policy": {"blob": "{}"}}),
            "consumers" => described("consumer"),
            "registered_limits" => described("registered_limit"),
            "limits" => described("limit"),
            "credentials" => json!({"credential": {"blob": "y"}}),
            _ => return None,
        },
        _ => return None,
    })
}

fn image(call: &Line, scene: &Scene) -> Option<Value> {
    let verb = call.verb.to_string();
    Some(match (verb.as_str(), call.path) {
        ("POST", "/v2/images") => {
            json!({"name": "new", "disk_format": "raw", "container_format": "bare"})
        }
        ("PATCH", "/v2/images/{id}") => {
            json!([{"op": "replace", "path": "/name", "value": "same"}])
        }
        ("POST", "/v2/images/{id}/import") => json!({"method": {"name": "glance-direct"}}),
        ("POST", "/v2/images/{id}/members") => json!({"member": scene.other_project}),
        ("PUT", "/v2/images/{id}/members/{member}") => json!({"status": "accepted"}),
        ("POST", "/v2/metadefs/namespaces") => json!({"namespace": format!("n{}", unique())}),
        (_, path) => match path.strip_prefix("/v2/metadefs/namespaces/{namespace}")? {
            "" => json!({"namespace": "thing", "owner": scene.project}),
            "/objects" | "/resource_types" => json!({"name": format!("n{}", unique())}),
            "/objects/{object}" => json!({"name": "object"}),
            "/properties" => {
                json!({"name": format!("n{}", unique()), "title": "P", "type": "string"})
            }
            "/properties/{property}" => {
                json!({"name": "property", "title": "P", "type": "string"})
            }
            "/tags" => json!({"tags": [{"name": "blue"}]}),
            "/tags/{tag}" => json!({"name": "blue"}),
            _ => return None,
        },
    })
}

fn network(call: &Line, scene: &Scene) -> Option<Value> {
    let verb = call.verb.to_string();
    let thing = |key: &str| scene.thing(&format!("network {key}")).to_owned();
    let named = |name: &str| json!({name: {"description": "same"}});
    Some(match (verb.as_str(), call.path) {
        ("POST", "/v2.0/networks") => json!({"network": {"name": "new"}}),
        ("POST", "/v2.0/subnets") => json!({"subnet": {
            "network_id": thing("networks"), "ip_version": 4, "cidr": format!("10.{}.1.0/24", 100 + unique() % 100),
        }}),
        ("POST", "/v2.0/ports") => json!({"port": {"network_id": thing("networks")}}),
        ("POST", "/v2.0/security-groups") => json!({"security_group": {"name": "new"}}),
        ("POST", "/v2.0/security-group-rules") => json!({"security_group_rule": {
            "security_group_id": thing("security-groups"), "direction": "ingress",
            "protocol": "udp", "port_range_min": unique() % 60_000 + 1, "port_range_max": 65_000,
        }}),
        ("POST", "/v2.0/routers") => json!({"router": {"name": "new"}}),
        ("POST", "/v2.0/floatingips") => {
            json!({"floatingip": {"floating_network_id": thing("outside")}})
        }
        ("POST", "/v2.0/subnetpools") => {
            json!({"subnetpool": {"name": "new", "prefixes": ["10.79.0.0/16"]}})
        }
        ("POST", "/v2.0/address-scopes") => {
            json!({"address_scope": {"name": "new", "ip_version": 4}})
        }
        ("POST", "/v2.0/rbac-policies") => json!({"rbac_policy": {
            "object_type": "network", "object_id": thing("networks"), "action": "access_as_shared",
            "target_tenant": format!("{:032x}", unique()),
        }}),
        ("PUT", "/v2.0/quotas/{project}") => json!({"quota": {"network": 50}}),
        ("POST", "/v2.0/floatingips/{floatingip_id}/port_forwardings") => {
            json!({"port_forwarding": {
                "protocol": "tcp", "external_port": 2222, "internal_port": 22,
                "internal_port_id": thing("ports"), "internal_ip_address": "10.77.0.9",
            }})
        }
        ("PUT", "/v2.0/floatingips/{floatingip_id}/port_forwardings/{id}") => {
            named("port_forwarding")
        }
        ("POST", "/v2.0/ports/{id}/bindings") => json!({"binding": {"host": "elsewhere"}}),
        ("PUT", "/v2.0/ports/{id}/bindings/{host}") => json!({"binding": {"vnic_type": "normal"}}),
        (
            "PUT",
            "/v2.0/routers/{id}/add_router_interface"
            | "/v2.0/routers/{id}/remove_router_interface",
        ) => {
            json!({"subnet_id": thing("subnets")})
        }
        ("PUT", "/v2.0/routers/{id}/add_extraroutes" | "/v2.0/routers/{id}/remove_extraroutes") => {
            json!({"router": {"routes": []}})
        }
        ("PUT", path) if path.ends_with("/tags") => json!({"tags": ["blue"]}),
        ("PUT", "/v2.0/agents/{id}") => json!({"agent": {"description": "same"}}),
        ("PUT", path) => match path.rsplit('/').nth(1)? {
            "networks" => named("network"),
            "subnets" => named("subnet"),
            "ports" => named("port"),
            "security-groups" => named("security_group"),
            "routers" => named("router"),
            "floatingips" => named("floatingip"),
            "subnetpools" => named("subnetpool"),
            "address-scopes" => json!({"address_scope": {"name": "s"}}),
            "rbac-policies" => {
                json!({"rbac_policy": {"target_tenant": format!("{:032x}", unique())}})
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// A number that no other call of this test has.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
