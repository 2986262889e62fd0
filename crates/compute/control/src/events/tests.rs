//! Those who watch, and what they are given.

use std::time::Duration;

use axum::Router;
use chrono::Utc;
use compute_db::{events, purge, servers};
use compute_model::Server;
use sql::sea_orm::ConnectionTrait;
use tokio::time::Instant;

use super::hub::{KEPT, MOST};
use super::*;
use crate::testing;

const RULE: &str = "os_compute_api:os-kilonova-events:index";

async fn control() -> Control {
    testing::control(Router::new(), Router::new(), Router::new()).await
}

fn of(project: Option<&str>) -> Scope {
    Scope {
        project_id: project.map(str::to_owned),
        hosts: false,
    }
}

async fn begin(control: &Control, project: Option<&str>, after: Option<i64>) -> Result<Watch> {
    watch(control, &testing::request(RULE), of(project), after).await
}

/// The numbers that come next.
async fn next(watch: &mut Watch) -> Vec<i64> {
    let until = Instant::now() + Duration::from_secs(60);
    match watch.next(until).await.expect("no failure") {
        News::Events(events) => events.iter().map(|event| event.number).collect(),
        other => panic!("{other:?}"),
    }
}

/// So many changes of a server, in one transaction.
async fn changes(control: &Control, server: &Server, count: usize) {
    let tx = control.db.begin().await.expect("begin");
    let mut row = servers::lock(&tx, &server.id).await.expect("the server");
    for _ in 0..count {
        servers::save(&tx, &mut row).await.expect("saved");
    }
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn whoever_watches_a_project_hears_of_its_servers_alone() {
    let control = control().await;
    let one = testing::server(&control, "one", "h").await;
    let other = testing::server(&control, "other", "h").await;
    events::publish(&control.db).await.expect("published");
    // From the beginning, from now on, and all.
    let mut own = begin(&control, Some("one"), Some(0)).await.expect("begun");
    assert_eq!(next(&mut own).await, [1]);
    let mut late = begin(&control, Some("one"), None).await.expect("begun");
    assert_eq!(late.after(), 2);
    let mut all = begin(&control, None, Some(0)).await.expect("begun");
    assert_eq!(next(&mut all).await, [1, 2]);
    changes(&control, &other, 1).await;
    assert_eq!(next(&mut all).await, [3]);
    changes(&control, &one, 1).await;
    assert_eq!(next(&mut own).await, [4]);
    assert_eq!(next(&mut late).await, [4]);
    // What was another's is behind them all the same.
    assert_eq!((own.after(), late.after()), (4, 4));
    let quiet = own.next(Instant::now()).await.expect("no failure");
    assert!(matches!(quiet, News::Quiet), "{quiet:?}");
}

#[tokio::test]
async fn a_slow_reader_is_given_everything_in_small_parts() {
    let control = control().await;
    let server = testing::server(&control, "one", "h").await;
    let mut quick = begin(&control, Some("one"), Some(0)).await.expect("begun");
    let mut slow = begin(&control, Some("one"), Some(0)).await.expect("begun");
    assert_eq!(next(&mut slow).await, [1]);
    let count = 2 * KEPT + 100;
    changes(&control, &server, count).await;
    let last = i64::try_from(count + 1).expect("small");
    for watch in [&mut quick, &mut slow] {
        let mut seen = Vec::new();
        while watch.after() < last {
            let part = next(watch).await;
            assert!(part.len() as u64 <= MOST, "{}", part.len());
            seen.extend(part);
        }
        // The slow one began behind the first; what it missed is no longer in memory.
        let wanted: Vec<i64> =
            (last - i64::try_from(seen.len()).expect("small") + 1..=last).collect();
        assert_eq!(seen, wanted);
        assert!(seen.len() >= count, "{}", seen.len());
    }
}

#[tokio::test]
async fn who_has_nothing_to_see_needs_no_database_however_much_others_change() {
    let control = control().await;
    testing::server(&control, "one", "h").await;
    let other = testing::server(&control, "other", "h").await;
    events::publish(&control.db).await.expect("published");
    let mut quiet = begin(&control, Some("one"), Some(2)).await.expect("begun");
    while control.events.known() != Some(2) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let count = KEPT + 100;
    changes(&control, &other, count).await;
    let last = i64::try_from(count + 2).expect("small");
    while control.events.known() != Some(last) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The place is further behind than memory reaches, and the database has nothing any more.
    let before = Utc::now() + chrono::TimeDelta::days(1);
    while purge::events(&control.db, before).await.expect("purged") > 0 {}
    let news = quiet.next(Instant::now()).await.expect("no failure");
    assert!(matches!(news, News::Quiet), "{news:?}");
    assert_eq!(quiet.after(), last);
}

#[tokio::test]
async fn who_watches_is_given_what_follows_events_that_cannot_be_read() {
    let control = control().await;
    let server = testing::server(&control, "one", "h").await;
    let count = usize::try_from(MOST).expect("small") + 1;
    changes(&control, &server, count).await;
    events::publish(&control.db).await.expect("published");
    let last = i64::try_from(count + 1).expect("small");
    let newer = format!("UPDATE server_events SET vm_state = 'teleported' WHERE number < {last}");
    let done = control.db.write().execute_unprepared(&newer).await;
    done.expect("of a newer release");
    let mut watch = begin(&control, Some("one"), Some(0)).await.expect("begun");
    assert_eq!(next(&mut watch).await, [last]);
    changes(&control, &server, 1).await;
    assert_eq!(next(&mut watch).await, [last + 1]);
}

#[tokio::test]
async fn so_many_may_watch_and_no_more() {
    let mut control = control().await;
    let limits = Limits {
        in_all: 3,
        per_user: 2,
    };
    control.events = Hub::new(control.db.clone(), limits);
    let by = async |user: &str| control.events.watch(user, of(Some("one")), None).await;
    let first = by("a").await.expect("the first");
    let second = by("a").await.expect("the second");
    let refused = by("a").await.err().expect("one too many of this user");
    assert!(matches!(refused, ControlError::TooMany { .. }), "{refused}");
    let third = by("b").await.expect("another's");
    let refused = by("c").await.err().expect("one too many of all");
    assert!(matches!(refused, ControlError::Busy { .. }), "{refused}");
    drop(first);
    let again = by("a").await.expect("the place was given back");
    drop((second, third, again));
    // A place that is none gives its own back, too.
    for _ in 0..3 {
        let refused = control.events.watch("a", of(None), Some(7)).await;
        assert!(matches!(refused, Err(ControlError::Gone { .. })));
    }
}

#[tokio::test]
async fn who_watches_is_told_where_to_go_on_when_events_are_forgotten() {
    let control = control().await;
    let server = testing::server(&control, "one", "h").await;
    changes(&control, &server, 2).await;
    events::publish(&control.db).await.expect("published");
    let before = Utc::now() + chrono::TimeDelta::days(1);
    assert_eq!(purge::events(&control.db, before).await.expect("purged"), 3);
    changes(&control, &server, 1).await;
    events::publish(&control.db).await.expect("published");
    let refused = begin(&control, Some("one"), Some(1)).await.err();
    let why = refused.expect("forgotten").to_string();
    assert_eq!(
        why,
        "The events behind 1 are forgotten up to 3. Read on behind 3 if that is enough, or list the servers and read \
         on behind 4."
    );
    let mut watch = begin(&control, Some("one"), Some(3)).await.expect("begun");
    assert_eq!(next(&mut watch).await, [4]);
    let refused = begin(&control, Some("one"), Some(5)).await.err();
    let why = refused.expect("never given").to_string();
    assert!(why.starts_with("No event has the number 5 yet"), "{why}");
    let scope = of(Some("one"));
    let refused = page(&control, &scope, Some(0), 10).await.err();
    assert!(matches!(refused, Some(ControlError::Gone { .. })));
}

#[tokio::test]
async fn watches_end_with_the_process() {
    let control = control().await;
    let mut open = begin(&control, None, None).await.expect("begun");
    let hub = control.events.clone();
    let far = Instant::now() + Duration::from_secs(3600);
    let (news, ()) = tokio::join!(open.next(far), async { hub.close() });
    assert!(matches!(news, Ok(News::Closed)), "{news:?}");
    let mut late = begin(&control, None, None).await.expect("begun");
    let news = late.next(far).await;
    assert!(matches!(news, Ok(News::Closed)), "{news:?}");
}

#[tokio::test]
async fn a_reader_sees_its_project_and_an_operator_all_with_hosts() {
    let control = control().await;
    let cx = testing::request(RULE);
    let own = scope(&control, &cx, false).expect("a reader may");
    assert_eq!(own, of(Some("project")));
    let refused = scope(&control, &cx, true).err();
    assert!(matches!(refused, Some(ControlError::Denied { .. })));
    let mut operator = (*cx.caller).clone();
    operator.roles.push("admin".to_owned());
    let cx = Context {
        caller: Arc::new(operator),
        ..cx
    };
    let all = Scope {
        project_id: None,
        hosts: true,
    };
    assert_eq!(scope(&control, &cx, true).expect("an operator may"), all);
}
