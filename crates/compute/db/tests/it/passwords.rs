//! Passwords of guests: kept once, forgotten on demand.

use chrono::Utc;
use compute_db::{DbError, passwords};

#[tokio::test]
async fn a_password_is_kept_once_until_it_is_forgotten() {
    for db in super::databases().await {
        let now = sql::micros(Utc::now());
        let longest = "x".repeat(1020);
        passwords::insert(db.write(), "s", &longest, now)
            .await
            .expect("the first");
        let second = passwords::insert(db.write(), "s", "other", now).await;
        assert!(matches!(second, Err(DbError::Duplicate(id)) if id == "s"));
        let found = passwords::find(db.read(), "s").await.expect("find");
        assert_eq!(found, Some(longest));
        passwords::forget(db.write(), "s").await.expect("forget");
        assert_eq!(passwords::find(db.read(), "s").await.expect("find"), None);
        passwords::insert(db.write(), "s", "other", now)
            .await
            .expect("another");
    }
}
