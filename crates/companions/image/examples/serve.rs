//! The image service on loopback beside an identity service, for trying clients against it:
//! `cargo run -p image --example serve -- FOLDER PORT PASSWORD`. Everything is kept in FOLDER.
//! `web-download` may fetch from this machine here.

use std::path::PathBuf;

use identity::{Bootstrap, Endpoint, Identity, Interface};
use image::{Images, Settings, WebDownload};
use secrecy::SecretString;

async fn database(folder: &std::path::Path, name: &str) -> Result<sql::Database, sql::SqlError> {
    let file = folder.join(format!("{name}.sqlite"));
    sql::Database::open(&format!("sqlite:{}", file.display())).await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || {
        words
            .next()
            .ok_or(anyhow::anyhow!("usage: serve FOLDER PORT PASSWORD"))
    };
    let (folder, port) = (PathBuf::from(word()?), word()?.parse::<u16>()?);
    let password = SecretString::from(word()?);
    std::fs::create_dir_all(&folder)?;
    let base = format!("http://127.0.0.1:{port}");
    let identity = Identity::open(
        database(&folder, "identity").await?,
        identity::Settings {
            fernet_keys: folder.join("fernet"),
            credential_keys: folder.join("credential"),
            password_hash_rounds: 4,
            public_url: format!("{base}/identity"),
            ..identity::Settings::default()
        },
    )
    .await?;
    let services = [("identity", "keystone"), ("image", "glance")];
    let endpoints = services.iter().flat_map(|(kind, name)| {
        Interface::ALL.map(|interface| Endpoint {
            service_type: (*kind).to_owned(),
            service_name: (*name).to_owned(),
            interface,
            url: format!("{base}/{kind}"),
        })
    });
    identity
        .bootstrap(&Bootstrap {
            admin_password: password.clone(),
            service_password: password.clone(),
            service_users: vec!["glance".to_owned()],
            demo_password: Some(password),
            region: "RegionOne".to_owned(),
            endpoints: endpoints.collect(),
        })
        .await?;
    let settings = Settings {
        image_dir: folder.join("images"),
        web_download: WebDownload {
            ports: Vec::new(),
            local_addresses: true,
            ..WebDownload::default()
        },
        ..Settings::default()
    };
    let images = Images::open(database(&folder, "image").await?, settings).await?;
    let app = axum::Router::new()
        .nest("/image", images.router(identity.authenticator()))
        .nest("/identity", identity.router());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ready: OS_AUTH_URL={base}/identity/v3 OS_USERNAME=admin OS_PROJECT_NAME=admin");
    axum::serve(listener, app).await?;
    Ok(())
}
