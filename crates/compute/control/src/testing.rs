//! A place to try use cases in: a fresh SQLite database, a bus in memory, and companions as routers.

use std::sync::Arc;

use axum::Router;
use bus::Bus;
use clients::{Login, Service, Session};
use compute_db::Migrator;

use crate::{Control, Settings, policy};

/// A control over these companions.
pub async fn control(identity: Router, image: Router, network: Router) -> Control {
    let db = sql::testing::sqlite().await;
    db.migrate::<Migrator>().await.expect("the tables are made");
    let identity = Service::in_process("identity", identity);
    let login = Login {
        user: "nova".into(),
        password: "secret".to_owned().into(),
        project: "service".into(),
        domain: "Default".into(),
    };
    Control {
        db,
        bus: Bus::memory(),
        session: Session::new(identity.clone(), login),
        identity,
        image: Service::in_process("image", image),
        network: Service::in_process("network", network),
        policy: Arc::new(policy::load(None).expect("the defaults compile")),
        settings: Settings::default(),
    }
}
