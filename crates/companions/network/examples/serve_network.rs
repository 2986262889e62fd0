//! Serves identity and network on loopback, for trying clients against them:
//! `cargo run -p network --example serve -- FOLDER PORT PASSWORD`. Tables and keys go to FOLDER.

use std::path::PathBuf;

use identity::{Bootstrap, Endpoint, Identity, Interface};
use network::{Networks, Settings};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: serve FOLDER PORT PASSWORD";
    let folder = PathBuf::from(words.next().ok_or(usage)?);
    let port: u16 = words.next().ok_or(usage)?.parse()?;
    let password = SecretString::from(words.next().ok_or(usage)?);
    std::fs::create_dir_all(&folder)?;
    let base = format!("http://127.0.0.1:{port}");
    let open = async |name: &str| {
        let file = folder.join(format!("{name}.sqlite"));
        sql::Database::open(&format!("sqlite:{}", file.display())).await
    };
    let settings = identity::Settings {
        fernet_keys: folder.join("fernet"),
        credential_keys: folder.join("credential"),
        password_hash_rounds: 4,
        public_url: format!("{base}/identity"),
        ..identity::Settings::default()
    };
    let identity = Identity::open(open("identity").await?, settings).await?;
    let endpoints = ["identity", "network"].iter().flat_map(|kind| {
        Interface::ALL.map(|interface| Endpoint {
            service_type: (*kind).to_owned(),
            service_name: (*kind).to_owned(),
            interface,
            url: format!("{base}/{kind}"),
        })
    });
    let wanted = Bootstrap {
        admin_password: password.clone(),
        service_password: password.clone(),
        service_users: vec!["neutron".to_owned()],
        demo_password: Some(password),
        reset_passwords: false,
        region: "RegionOne".to_owned(),
        endpoints: endpoints.collect(),
    };
    identity.bootstrap(&wanted).await?;
    let networks = Networks::open(open("network").await?, Settings::default()).await?;
    let stop = CancellationToken::new();
    let tasks = networks.start(None, stop.clone());
    let app = axum::Router::new()
        .nest_service("/identity", identity.router())
        .nest_service("/network", networks.router(identity.authenticator()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ready: OS_AUTH_URL={base}/identity/v3 OS_USERNAME=admin OS_PROJECT_NAME=admin");
    web::serve::serve(listener, app, stop).await?;
    tasks.join_all().await;
    Ok(())
}
