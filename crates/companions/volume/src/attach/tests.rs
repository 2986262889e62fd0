//! What is decided by rows as they are, not as a call saw them before.

use std::path::Path;

use sql::Database;

use super::*;
use crate::settings::{BackEnd, Settings};
use crate::tables::export;

/// A member of the project, with a service's token beside the own one where one is named.
fn caller(service: Option<&str>) -> Caller {
    Caller {
        user_id: "user".to_owned(),
        user_name: "user".to_owned(),
        user_domain_id: "default".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_id: Some("project".to_owned()),
        project_name: None,
        project_domain_id: None,
        project_domain_name: None,
        domain_id: None,
        system: false,
        roles: vec!["member".to_owned()],
        service_roles: service.map(str::to_owned).into_iter().collect(),
        expires_at: store::now(),
        token: String::new().into(),
    }
}

async fn open(db: Database, folder: &Path) -> Volumes {
    let settings = Settings {
        back_end: BackEnd {
            volume_dir: folder.join("volumes"),
            ..Settings::default().back_end
        },
        backup_dir: folder.join("backups"),
        export_dir: folder.join("exports"),
        host: "here".to_owned(),
        keep_free: 0,
        ..Settings::default()
    };
    Volumes::open(db, settings).await.expect("opens")
}

/// A volume that is reserved for a server, with the attachment.
async fn reserved(volumes: &Volumes) -> (volume::Model, attachment::Model) {
    let row = volume::Model::sample(Status::Available);
    let added = store::insert(volumes.db().write(), row.clone()).await;
    added.expect("a row");
    let tx = volumes.db().begin().await.expect("begun");
    let of = (row.id.as_str(), Some("server"));
    let made = reserve(volumes, &caller(None), &tx, of, UNSAID).await;
    let made = made.expect("reserved");
    tx.commit().await.expect("committed");
    (row, made)
}

/// The server connects: the attachment knows how, and an export serves it.
async fn connected(volumes: &Volumes, seen: &attachment::Model) {
    let one = attachment::Model {
        connector: Some("{}".to_owned()),
        connection: Some("{}".to_owned()),
        ..seen.clone()
    };
    let db = volumes.db().write();
    store::save(db, one).await.expect("changed");
    let export = export::Model::sample(&seen.id, &seen.volume_id);
    store::insert(db, export).await.expect("a row");
}

async fn is_exported(volumes: &Volumes, id: &str) -> bool {
    let found = store::find::<export::Entity>(volumes.db().read(), id).await;
    found.expect("asked").is_some()
}

#[tokio::test]
async fn a_server_that_connects_while_its_attachment_is_deleted_keeps_the_volume() {
    for db in sql::testing::engines().await {
        let folder = tempfile::tempdir().expect("a folder");
        let volumes = open(db, folder.path()).await;
        let (volume, seen) = reserved(&volumes).await;
        let (user, service) = (caller(None), caller(Some("service")));
        deletable(&user, &seen).expect("nobody uses it yet");
        connected(&volumes, &seen).await;
        let refused = end(&volumes, &user, &volume.id, &seen.id).await;
        let refused = refused.expect_err("refused");
        assert!(matches!(refused, Fault::Conflict(_)), "{refused}");
        assert!(is_exported(&volumes, &seen.id).await);
        let left = end(&volumes, &service, &volume.id, &seen.id).await;
        assert_eq!(left.expect("ended"), []);
        assert!(!is_exported(&volumes, &seen.id).await);
        let again = end(&volumes, &service, &volume.id, &seen.id).await;
        assert!(matches!(again, Err(Fault::NotFound(_))), "{again:?}");
    }
}

#[tokio::test]
async fn a_call_that_fails_does_not_end_what_another_connected() {
    for db in sql::testing::engines().await {
        let folder = tempfile::tempdir().expect("a folder");
        let volumes = open(db, folder.path()).await;
        let (volume, seen) = reserved(&volumes).await;
        connected(&volumes, &seen).await;
        take_back(&volumes, &volume.id, &seen.id).await;
        assert!(is_exported(&volumes, &seen.id).await, "a server has it");
        store::save(volumes.db().write(), seen.clone())
            .await
            .expect("changed");
        take_back(&volumes, &volume.id, &seen.id).await;
        assert!(!is_exported(&volumes, &seen.id).await, "nobody has it");
    }
}
