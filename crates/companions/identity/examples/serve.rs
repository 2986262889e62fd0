//! Serves the identity service alone on loopback, for trying clients against it:
//! `cargo run -p identity --example serve -- FOLDER PORT PASSWORD`. Tables and keys go to FOLDER.

use std::path::PathBuf;

use identity::{Bootstrap, Endpoint, Identity, Interface, Settings};
use secrecy::SecretString;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let mut words = std::env::args().skip(1);
    let usage = "usage: serve FOLDER PORT PASSWORD";
    let folder = PathBuf::from(words.next().ok_or(usage)?);
    let port: u16 = words.next().ok_or(usage)?.parse()?;
    let password = SecretString::from(words.next().ok_or(usage)?);
    std::fs::create_dir_all(&folder)?;
    let url = format!("http://127.0.0.1:{port}/identity");
    let settings = Settings {
        fernet_keys: folder.join("fernet"),
        credential_keys: folder.join("credential"),
        password_hash_rounds: 4,
        public_url: url.clone(),
        ..Settings::default()
    };
    let db = sql::Database::open(&format!(
        "sqlite:{}",
        folder.join("identity.sqlite").display()
    ))
    .await?;
    let identity = Identity::open(db, settings).await?;
    let endpoints = Interface::ALL.map(|interface| Endpoint {
        service_type: "identity".to_owned(),
        service_name: "keystone".to_owned(),
        interface,
        url: url.clone(),
    });
    identity
        .bootstrap(&Bootstrap {
            admin_password: password.clone(),
            service_password: password.clone(),
            service_users: ["nova", "neutron", "glance", "placement"]
                .map(str::to_owned)
                .to_vec(),
            demo_password: Some(password),
            reset_passwords: false,
            region: "RegionOne".to_owned(),
            endpoints: endpoints.to_vec(),
        })
        .await?;
    let app = axum::Router::new().nest_service("/identity", identity.router());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ready: OS_AUTH_URL={url}/v3 OS_USERNAME=admin OS_PROJECT_NAME=admin");
    axum::serve(listener, app).await?;
    Ok(())
}
