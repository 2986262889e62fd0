//! Claims never exceed what a node offers.

use chrono::Utc;
use compute_db::{Database, DbError, claims, hosts};
use compute_model::host::NodeFacts;
use compute_model::request::Resources;

async fn node(db: &Database, vcpus: u32) {
    let facts = NodeFacts {
        vcpus,
        memory_mb: 1024,
        reserved_memory_mb: 512,
        disk_gb: 100,
        cpu_ratio: 1.5,
        ram_ratio: 1.0,
        disk_ratio: 1.0,
        ..Default::default()
    };
    let tx = db.begin().await.expect("begin");
    let now = sql::micros(Utc::now());
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

#[tokio::test]
async fn many_claims_at_once_never_exceed_the_capacity() {
    for db in super::databases().await {
        node(&db, 5).await; // capacity 5 × 1.5 = 7
        let mut tasks = Vec::new();
        for n in 0..20 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                sql::retry(|| async {
                    let tx = db.begin().await?;
                    claims::claim(&tx, &format!("s{n}"), "node-1", &cpus(1)).await?;
                    tx.commit().await?;
                    Ok::<(), DbError>(())
                })
                .await
                .is_ok()
            }));
        }
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.expect("task"));
        }
        assert_eq!(won, 7, "{:?}", db.engine());
        assert!(claims::inexact(db.read()).await.expect("audit").is_empty());
        let seen = hosts::nodes(db.read(), None).await.expect("nodes");
        assert_eq!((seen[0].used.vcpus, seen[0].used.servers), (7, 7));
    }
}

#[tokio::test]
async fn a_repeated_claim_counts_once_and_a_release_gives_all_back() {
    for db in super::databases().await {
        node(&db, 2).await;
        for _ in 0..2 {
            let tx = db.begin().await.expect("begin");
            claims::claim(&tx, "s", "node-1", &cpus(2))
                .await
                .expect("claim");
            tx.commit().await.expect("commit");
        }
        assert_eq!(
            hosts::nodes(db.read(), None).await.expect("nodes")[0]
                .used
                .vcpus,
            2
        );
        let before = hosts::nodes(db.read(), None).await.expect("nodes")[0].change;
        let tx = db.begin().await.expect("begin");
        claims::release(&tx, "s").await.expect("release");
        claims::release(&tx, "s").await.expect("twice is fine");
        tx.commit().await.expect("commit");
        let after = hosts::nodes(db.read(), Some(before))
            .await
            .expect("changed nodes");
        assert_eq!((after[0].used.vcpus, after[0].used.servers), (0, 0));
    }
}

#[tokio::test]
async fn reserved_memory_is_not_given_away() {
    for db in super::databases().await {
        node(&db, 2).await;
        let tx = db.begin().await.expect("begin");
        let wanted = Resources::from([("MEMORY_MB".to_owned(), 600)]);
        let refused = claims::claim(&tx, "s", "node-1", &wanted).await;
        assert!(
            matches!(refused, Err(DbError::NoRoom { .. })),
            "{refused:?}"
        );
        tx.rollback().await.expect("rollback");
    }
}
