//! The steps of the demo. Each finds what an earlier run made.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::api::{Api, id_of, named};

const PRIVATE_CIDR: &str = "10.20.0.0/24";

/// (name, MiB, processors, GiB).
const FLAVORS: &[(&str, u32, u32, u32)] = &[
    ("kn.tiny", 192, 1, 1),
    ("kn.small", 512, 1, 5),
    ("kn.medium", 2048, 2, 20),
];

/// The demo image; its id.
pub async fn image(admin: &Api, file: &Path) -> Result<String> {
    const NAME: &str = "kilonova-demo";
    let found = admin
        .get(
            &admin.image,
            &format!("/v2/images?name={NAME}&status=active"),
        )
        .await?;
    if let Some(image) = named(&found, "images", NAME) {
        return id_of(image);
    }
    let data = tokio::fs::read(file)
        .await
        .with_context(|| format!("cannot read the image {}", file.display()))?;
    let body = json!({
        "name": NAME, "disk_format": "qcow2", "container_format": "bare", "visibility": "public",
    });
    let id = id_of(&admin.post(&admin.image, "/v2/images", &body).await?)?;
    admin
        .upload(
            &admin.image,
            &format!("/v2/images/{id}/file"),
            Bytes::from(data),
        )
        .await?;
    Ok(id)
}

/// Some flavors; the id of the smallest.
pub async fn flavors(admin: &Api) -> Result<String> {
    let known = admin.get(&admin.compute, "/flavors").await?;
    for (name, ram, vcpus, disk) in FLAVORS {
        if named(&known, "flavors", name).is_none() {
            let flavor =
                json!({"flavor": {"name": name, "ram": ram, "vcpus": vcpus, "disk": disk}});
            admin.post(&admin.compute, "/flavors", &flavor).await?;
        }
    }
    let known = admin.get(&admin.compute, "/flavors").await?;
    id_of(named(&known, "flavors", FLAVORS[0].0).context("the flavor that was just made")?)
}

/// The demo project's own network behind a router; its id.
pub async fn private_network(demo: &Api, public: &str) -> Result<String> {
    if let Some(network) = find(demo, "networks", "private").await? {
        return id_of(&network);
    }
    let body = json!({"network": {"name": "private"}});
    let made = demo.post(&demo.network, "/v2.0/networks", &body).await?;
    let id = id_of(&made["network"])?;
    let subnet = json!({"subnet": {
        "name": "private", "network_id": id, "ip_version": 4, "cidr": PRIVATE_CIDR,
    }});
    let subnet = demo.post(&demo.network, "/v2.0/subnets", &subnet).await?;
    let router = json!({"router": {
        "name": "router", "external_gateway_info": {"network_id": public},
    }});
    let router = demo.post(&demo.network, "/v2.0/routers", &router).await?;
    let path = format!(
        "/v2.0/routers/{}/add_router_interface",
        id_of(&router["router"])?
    );
    let interface = json!({"subnet_id": id_of(&subnet["subnet"])?});
    demo.put(&demo.network, &path, &interface).await?;
    Ok(id)
}

/// The demo user's key pair. A private key that exists is kept, and its public half uploaded if
/// compute does not know it.
pub async fn key(demo: &Api, file: &Path) -> Result<()> {
    let known = demo.get(&demo.compute, "/os-keypairs").await?;
    let pairs = known["keypairs"].as_array().cloned().unwrap_or_default();
    let exists = pairs.iter().any(|pair| pair["keypair"]["name"] == "demo");
    match (exists, file.exists()) {
        (true, true) => return Ok(()),
        (true, false) => bail!(
            "compute knows a key pair 'demo', but {} is gone: delete the pair, or put the key back",
            file.display()
        ),
        (false, _) => {}
    }
    if !file.exists() {
        let made = demo
            .compute_at(
                "2.2",
                "/os-keypairs",
                &json!({"keypair": {"name": "demo", "type": "ssh"}}),
            )
            .await?;
        let private = made["keypair"]["private_key"]
            .as_str()
            .context("no private key")?;
        let mut opened = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        std::io::Write::write_all(&mut opened, private.as_bytes())?;
        return Ok(());
    }
    let public = child::command("ssh-keygen")
        .args(["-y", "-f"])
        .arg(file)
        .output()
        .context("cannot run ssh-keygen (Debian package openssh-client)")?;
    let public = String::from_utf8_lossy(&public.stdout).trim().to_owned();
    let body = json!({"keypair": {"name": "demo", "public_key": public}});
    demo.post(&demo.compute, "/os-keypairs", &body).await?;
    Ok(())
}

/// SSH and ping into the demo project's default security group.
pub async fn security_group(demo: &Api) -> Result<()> {
    let path = format!(
        "/v2.0/security-groups?name=default&project_id={}",
        demo.project_id
    );
    let groups = demo.get(&demo.network, &path).await?;
    let group =
        named(&groups, "security_groups", "default").context("no default security group")?;
    let rules = group["security_group_rules"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let wanted = [
        json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}),
        json!({"protocol": "icmp"}),
    ];
    for mut rule in wanted {
        let there = rules.iter().any(|known| {
            known["direction"] == "ingress"
                && known["protocol"] == rule["protocol"]
                && known["remote_group_id"].is_null()
        });
        if !there {
            rule["direction"] = json!("ingress");
            rule["ethertype"] = json!("IPv4");
            rule["security_group_id"] = group["id"].clone();
            let body = json!({"security_group_rule": rule});
            demo.post(&demo.network, "/v2.0/security-group-rules", &body)
                .await?;
        }
    }
    Ok(())
}

/// The first server, running; its id.
pub async fn server(
    demo: &Api,
    name: &str,
    image: &str,
    flavor: &str,
    network: &str,
) -> Result<String> {
    let known = demo
        .get(&demo.compute, &format!("/servers?name=%5E{name}$"))
        .await?;
    let id = match named(&known, "servers", name) {
        Some(server) => id_of(server)?,
        None => {
            let body = json!({"server": {
                "name": name, "imageRef": image, "flavorRef": flavor, "key_name": "demo",
                "networks": [{"uuid": network}],
            }});
            id_of(&demo.post(&demo.compute, "/servers", &body).await?["server"])?
        }
    };
    let started = Instant::now();
    loop {
        let server = demo.get(&demo.compute, &format!("/servers/{id}")).await?;
        match server["server"]["status"].as_str() {
            Some("ACTIVE") => return Ok(id),
            Some("SHUTOFF") if server["server"]["OS-EXT-STS:task_state"].is_null() => {
                let body = json!({"os-start": null});
                demo.post(&demo.compute, &format!("/servers/{id}/action"), &body)
                    .await?;
            }
            Some("ERROR") => bail!(
                "the server is in error: {}",
                server["server"]["fault"]["message"]
            ),
            _ => {}
        }
        if started.elapsed() > Duration::from_secs(300) {
            bail!("the server does not become active");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A floating address that leads to the server.
pub async fn floating_ip(demo: &Api, server: &str, public: &str) -> Result<String> {
    let ports = demo
        .get(&demo.network, &format!("/v2.0/ports?device_id={server}"))
        .await?;
    let port = id_of(&ports["ports"][0])?;
    let known = demo
        .get(&demo.network, &format!("/v2.0/floatingips?port_id={port}"))
        .await?;
    let address = |floating: &Value| {
        let text = floating["floating_ip_address"].as_str();
        text.map(str::to_owned).context("no address in the answer")
    };
    if let Some(floating) = known["floatingips"].as_array().and_then(|all| all.first()) {
        return address(floating);
    }
    let body = json!({"floatingip": {"floating_network_id": public, "port_id": port}});
    let made = demo.post(&demo.network, "/v2.0/floatingips", &body).await?;
    address(&made["floatingip"])
}

/// Waits until the server's SSH says its banner.
pub async fn ssh_answers(address: &str, patience: Duration) -> Result<()> {
    let started = Instant::now();
    loop {
        let tried = tokio::time::timeout(Duration::from_secs(3), banner(address)).await;
        match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if started.elapsed() > patience => return Err(error),
            Err(_) if started.elapsed() > patience => bail!("no answer at {address} port 22"),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn banner(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect((address, 22)).await?;
    let mut start = [0; 4];
    stream.read_exact(&mut start).await?;
    match &start {
        b"SSH-" => Ok(()),
        other => bail!("something else than SSH answers: {other:?}"),
    }
}

/// The address of the server's screen; it works once.
pub async fn console(demo: &Api, server: &str) -> Result<String> {
    let body = json!({"remote_console": {"protocol": "vnc", "type": "novnc"}});
    let path = format!("/servers/{server}/remote-consoles");
    let made = demo.compute_at("2.6", &path, &body).await?;
    let url = made["remote_console"]["url"].as_str();
    url.map(str::to_owned).context("no address in the answer")
}

pub async fn find(api: &Api, kind: &str, name: &str) -> Result<Option<Value>> {
    let found = api
        .get(&api.network, &format!("/v2.0/{kind}?name={name}"))
        .await?;
    Ok(named(&found, kind, name).cloned())
}
