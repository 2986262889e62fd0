//! The proxy with a conductor, a host and an identity service that say what a test wants.
#![allow(clippy::unwrap_used)]

mod world;

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use world::{CONSOLE_TOKEN, OTHER_TOKEN, Says, World};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_console_opens_for_whom_it_was_made() {
    let world = World::start(LONG).await;
    let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
    socket.echoes("hello").await;
}

#[tokio::test]
async fn a_console_opens_for_nobody_who_lost_the_right_since_it_was_asked_for() {
    let world = World::start(LONG).await;
    for says in [
        Says::TokenIsBad,
        Says::NoRole,
        Says::OtherProject,
        Says::ServerIsGone,
    ] {
        world.now(says);
        assert_eq!(world.open(CONSOLE_TOKEN).await.err(), Some(403), "{says:?}");
    }
    for says in [Says::IdentityIsAway, Says::ConductorIsAway] {
        world.now(says);
        assert_eq!(world.open(CONSOLE_TOKEN).await.err(), Some(503), "{says:?}");
    }
}

#[tokio::test]
async fn a_seal_that_the_token_does_not_open_opens_no_console() {
    let world = World::start(LONG).await;
    assert_eq!(world.open(OTHER_TOKEN).await.err(), Some(403));
    world.now(Says::NoSeal);
    assert_eq!(world.open(CONSOLE_TOKEN).await.err(), Some(403));
}

#[tokio::test]
async fn an_open_console_ends_with_the_right_to_it_and_says_why() {
    for (says, why) in [
        (
            Says::TokenIsBad,
            "the token of its user was revoked or expired",
        ),
        (
            Says::NoRole,
            "its user may not open consoles of this server any more",
        ),
        (
            Says::OtherProject,
            "its user may not open consoles of this server any more",
        ),
        (
            Says::ServerIsGone,
            "its server was deleted or left the host",
        ),
        (
            Says::IdentityIsAway,
            "nobody says whether its user still has the right",
        ),
        (
            Says::ConductorIsAway,
            "nobody says whether its user still has the right",
        ),
    ] {
        let world = World::start(LONG).await;
        let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
        socket.echoes("before").await;
        world.now(says);
        assert_eq!(socket.ends().await, why, "{says:?}");
    }
}

#[tokio::test]
async fn an_operator_keeps_the_console_of_another_project() {
    let world = World::start(LONG).await;
    world.now(Says::Operator);
    let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
    world.looks(5).await;
    socket.echoes("still").await;
}

#[tokio::test]
async fn a_moment_without_answers_ends_no_console() {
    let world = World::start(LONG).await;
    let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
    for _ in 0..3 {
        // Two looks without answer, one with it: never three in a row.
        world.now(Says::AwayTwice);
        world.looks(3).await;
    }
    socket.echoes("still").await;
}

#[tokio::test]
async fn no_look_holds_up_what_is_carried() {
    let world = World::start(LONG).await;
    let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
    world.now(Says::Hangs);
    world.looks(1).await;
    socket.echoes("meanwhile").await;
}

#[tokio::test]
async fn a_console_ends_after_the_limit_whatever_looks_do() {
    for says in [Says::Yes, Says::Hangs] {
        let world = World::start(Duration::from_millis(300)).await;
        let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
        world.now(says);
        let why = socket.ends().await;
        assert_eq!(
            why, "it was open for as long as consoles may be",
            "{says:?}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_reads_nothing_loses_its_console_all_the_same() {
    let world = World::start(LONG).await;
    let mut socket = world.open(CONSOLE_TOKEN).await.unwrap();
    // The guest sends it back until every buffer on the way is full.
    let full = async {
        loop {
            socket.send(Message::Binary(vec![0; 1 << 16].into())).await;
        }
    };
    let filled = tokio::time::timeout(Duration::from_secs(2), full).await;
    assert!(filled.is_err());
    world.now(Says::TokenIsBad);
    world.guest_is_alone().await;
}
