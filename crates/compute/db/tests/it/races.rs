//! Several hands at the same rows, on every engine.

use std::time::Duration;

use chrono::Utc;
use compute_db::{Database, DbError, claims, hosts, servers};
use compute_model::host::NodeFacts;
use compute_model::request::Resources;
use futures::future::join_all;
use sql::AsConflict;

/// How many there are at once.
const CROWD: usize = 8;

async fn node(db: &Database) {
    let facts = NodeFacts {
        vcpus: 100,
        cpu_ratio: 1.0,
        ram_ratio: 1.0,
        disk_ratio: 1.0,
        ..Default::default()
    };
    let now = sql::micros(Utc::now());
    let tx = db.begin().await.expect("begin");
    hosts::note_service(&tx, "h1", hosts::COMPUTE)
        .await
        .expect("seen");
    hosts::report(&tx, "h1", "n1", "node-1", &facts, now)
        .await
        .expect("report");
    tx.commit().await.expect("commit");
}

fn cpus(amount: u64) -> Resources {
    Resources::from([("VCPU".to_owned(), amount)])
}

/// Does something in a transaction of its own, again and again while it loses races, as [`sql::retry`] does, which
/// takes no closures of this form.
async fn transaction(
    db: &Database,
    work: impl AsyncFn(&sql::sea_orm::DatabaseTransaction) -> Result<(), DbError>,
) -> Result<(), DbError> {
    let mut wait = Duration::from_millis(5);
    loop {
        let once = async {
            let tx = db.begin().await?;
            work(&tx).await?;
            Ok::<_, DbError>(tx.commit().await?)
        };
        match once.await {
            Err(error) if error.as_conflict() && wait < Duration::from_secs(1) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            ended => return ended,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_give_back_at_once_is_given_back_once() {
    for db in super::databases().await {
        node(&db).await;
        for round in 0..10 {
            transaction(&db, async |tx| {
                claims::claim(tx, "other", "node-1", &cpus(50)).await?;
                claims::claim(tx, "server", "node-1", &cpus(5)).await
            })
            .await
            .expect("claimed");
            let released = (0..CROWD)
                .map(|_| transaction(&db, async |tx| claims::release(tx, "server").await));
            for ended in join_all(released).await {
                ended.expect("released");
            }
            let wrong = claims::inexact(db.read()).await.expect("audit");
            assert!(
                wrong.is_empty(),
                "{:?} round {round}: {wrong:?}",
                db.engine()
            );
            let seen = hosts::nodes(db.read(), None).await.expect("nodes");
            assert_eq!((seen[0].used.vcpus, seen[0].used.servers), (50, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_is_forgotten_or_claimed_never_both() {
    for db in super::databases().await {
        for round in 0..10 {
            node(&db).await;
            let found = hosts::services(db.read()).await.expect("services");
            let id = &found[0].id;
            let forget = transaction(&db, async |tx| {
                hosts::close_to_claims(tx, "h1").await?;
                let carries = !servers::on_host(tx, "h1").await?.is_empty();
                if carries || hosts::has_claims(tx, "h1").await? {
                    return Err(DbError::Duplicate("a claim".to_owned()));
                }
                hosts::delete_service(tx, id).await
            });
            let names: Vec<String> = (0..CROWD).map(|n| format!("s{round}-{n}")).collect();
            let db = &db;
            let claimed = names.iter().map(|name| {
                transaction(db, async move |tx| {
                    claims::claim(tx, name, "node-1", &cpus(1)).await
                })
            });
            let (forgotten, claimed) = tokio::join!(forget, join_all(claimed));
            let won = claimed.iter().filter(|claimed| claimed.is_ok()).count();
            for refused in claimed.into_iter().filter_map(Result::err) {
                assert!(matches!(refused, DbError::NoRoom { .. }), "{refused:?}");
            }
            assert_eq!(
                forgotten.is_ok(),
                won == 0,
                "{:?} round {round}: {won} claims on a host that is {forgotten:?}",
                db.engine()
            );
            for name in &names {
                transaction(db, async |tx| claims::release(tx, name).await)
                    .await
                    .expect("released");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_report_that_comes_twice_makes_one_service() {
    for db in super::databases().await {
        let seen = (0..CROWD).map(|_| {
            transaction(&db, async |tx| {
                hosts::note_service(tx, "h1", hosts::COMPUTE)
                    .await
                    .map(drop)
            })
        });
        for ended in join_all(seen).await {
            ended.expect("noted");
        }
        assert_eq!(hosts::services(db.read()).await.expect("services").len(), 1);
    }
}
