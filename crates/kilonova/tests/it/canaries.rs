//! A canary in every secret that a cloud has: it lives a whole life with the log at its most talkative, and
//! then nothing may sing where it does not belong.

mod life;
mod volumes;

use std::fmt::Write;
use std::time::Duration;

use bus::testing::Broker;
use sql::testing::{fresh_url, server};
use testing::canaries::search::{self, Place};
use testing::canaries::{Canaries, Home, Wire};

use crate::process::Process;

/// What lies where, and why. Rows are named by service, table and column. Nothing else may lie
/// anywhere.
#[rustfmt::skip]
const HOMES: &[Home] = &[
    ("password of admin", "clouds.yaml", "the operator's clients read it"),
    ("password of admin", "keys/secrets.json", "made at the first start"),
    ("password of demo", "clouds.yaml", "clients of the demo user read it"),
    ("password of demo", "keys/secrets.json", "made at the first start"),
    ("password of demo", "openrc", "clients of the demo user read it"),
    ("root of the services' passwords", "keys/secrets.json", "made at the first start"),
    ("secret of the metadata proxy", "keys/secrets.json", "made at the first start"),
    ("key of tokens", "keys/fernet/*", "its home"),
    ("key of credentials", "keys/credential/*", "its home"),
    ("user data", "compute servers.user_data", "the guest may ask for it as long as the row is there"),
    ("user data", "db/compute.sqlite", "the file of that row"),
    ("user data", "db/compute.sqlite-wal", "the file of that row"),
];

/// What lies somewhere beside that while servers live, and goes with them.
#[rustfmt::skip]
const HOMES_OF_SERVERS: &[Home] = &[
    ("user data", "servers/*", "the config drive of the guest"),
    ("password of a server", "servers/*", "the config drive of the guest"),
    ("injected file", "servers/*", "the config drive of the guest"),
    ("password of a server", "db/compute.sqlite-wal", "what the journal forgot, until the log begins anew"),
    ("injected file", "db/compute.sqlite-wal", "what the journal forgot, until the log begins anew"),
    ("password of a server", "db/compute.sqlite", "what the journal forgot, until the log is carried over"),
    ("injected file", "db/compute.sqlite", "what the journal forgot, until the log is carried over"),
];

/// What goes from conductor to agent over a broker, as with Nova: whoever reads the broker's messages has it. `rabbits://`
/// hides it on the way. Nothing else may be in a message, tokens of users and passwords of services least of all.
#[rustfmt::skip]
const HOMES_ON_THE_WIRE: &[Home] = &[
    ("user data", "the broker", "the host writes it to the config drive"),
    ("password of a server", "the broker", "the host writes it to the config drive"),
    ("injected file", "the broker", "the host writes it to the config drive"),
];

/// The services with a database.
const SERVICES: [(&str, &str); 5] = [
    ("compute", "database"),
    ("identity", "identity"),
    ("image", "image"),
    ("network", "network"),
    ("volume", "volume"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_where_it_does_not_belong() {
    a_life_leaves_no_secret(None, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_in_postgresql_or_goes_over_a_broker() {
    let (Some(server), Some(broker)) = (server("KILONOVA_TEST_POSTGRES"), broker().await) else {
        return;
    };
    a_life_leaves_no_secret(Some(&server), Some(broker)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_in_mariadb() {
    if let Some(server) = server("KILONOVA_TEST_MARIADB") {
        a_life_leaves_no_secret(Some(&server), None).await;
    }
}

/// With databases of the state folder or of a server; with messages in memory or over a broker.
async fn a_life_leaves_no_secret(server: Option<&str>, broker: Option<(Broker, Wire)>) {
    let screen = life::screen().await;
    let mut settings =
        format!("[DEFAULT]\ndebug = true\n[fake]\nvnc_server = {screen}\nfail_start_of = doomed\n");
    let mut databases = Vec::new();
    for (service, section) in SERVICES {
        if let Some(server) = server {
            let url = fresh_url(server).await;
            writeln!(settings, "[{section}]\nconnection = {url}").unwrap();
            databases.push((service, url));
        }
    }
    if let Some((_, wire)) = &broker {
        let url = format!("rabbit://guest:guest@{}/", wire.address());
        writeln!(settings, "[DEFAULT]\ntransport_url = {url}").unwrap();
    }
    let mut process = Process::start(&settings).await;
    let state = process.state();
    if databases.is_empty() {
        let url = |service| format!("sqlite:{}/db/{service}.sqlite", state.display());
        databases.extend(SERVICES.map(|(service, _)| (service, url(service))));
    }
    let search = async || {
        let mut places = search::folder(&state);
        for (service, url) in &databases {
            places.extend(search::rows(service, url).await);
        }
        places
    };
    let children = search::Children::watch(process.id());
    let mut canaries = Canaries::default();
    life::keys(&process, &mut canaries);
    life::users(&process, &mut canaries).await;
    let servers = life::servers(&process, &mut canaries).await;
    volumes::volumes(&process, &mut canaries).await;
    life::strangers(&process, &mut canaries).await;
    // Each is there where it may be: the search finds what is there.
    let living = search().await;
    for (what, home) in [
        ("password of a server", "servers/*"),
        ("user data", "compute servers.user_data"),
        ("key of tokens", "keys/fernet/*"),
    ] {
        assert!(canaries.lives(what, home, &living), "no {what} in {home}");
    }
    let strays = canaries.strays(&living, &[HOMES, HOMES_OF_SERVERS]);
    assert!(strays.is_empty(), "while servers live:\n{strays}");

    life::end(&process, &mut canaries, servers).await;
    let mut places = children.end();
    process.stop().await;
    places.extend(search().await);
    places.push(Place::new("the log", process.log().as_bytes()));
    places.append(&mut canaries.answers());
    let strays = canaries.strays(&places, &[HOMES]);
    assert!(strays.is_empty(), "at the end:\n{strays}");
    if let Some((broker, wire)) = broker {
        let heard = [wire.heard("the broker")];
        for (what, home, _) in HOMES_ON_THE_WIRE {
            assert!(canaries.lives(what, home, &heard), "no {what} in {home}");
        }
        let strays = canaries.strays(&heard, &[HOMES_ON_THE_WIRE]);
        assert!(strays.is_empty(), "on the way:\n{strays}");
        drop(broker);
    }
}

/// A broker, and the wire to it.
async fn broker() -> Option<(Broker, Wire)> {
    let broker = Broker::start().await.unwrap()?;
    let url = broker.url();
    let address = url.split_once('@').unwrap().1.trim_end_matches('/');
    let wire = Wire::to(address).await;
    Some((broker, wire))
}

/// Says much, and soon.
const QUICK: &str = "[DEFAULT]\ndebug = true\n[database]\npool_timeout = 1\n";

/// A start that fails says why, and not with which password.
#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_databases_and_brokers_are_not_said_when_they_cannot_be_reached() {
    let mut canaries = Canaries::default();
    let database = canaries.seed("password of a database");
    let broker = canaries.seed("password of a broker");
    for settings in [
        format!("[database]\nconnection = postgres://u:{database}@127.0.0.1:1/n\n"),
        format!("[identity]\nconnection = mysql://u:{database}@127.0.0.1:1/n\n"),
        format!("[image]\nconnection = postgres://127.0.0.1:1/n?user=u&password={database}\n"),
        format!("[image]\nconnection = odd://u:{database}@127.0.0.1:1/n\n"),
        format!("[network]\nconnection = postgres://u:{database}@127.0.0.1:odd/n\n"),
        format!("[DEFAULT]\ntransport_url = rabbit://u:{broker}@127.0.0.1:1/\n"),
        format!("[DEFAULT]\ntransport_url = odd://u:{broker}@127.0.0.1:1/\n"),
        format!("[DEFAULT]\ntransport_url = rabbit://u:{broker}@127.0.0.1:odd/\n"),
    ] {
        let process = Process::prepare(&format!("{QUICK}{settings}"));
        for verb in ["up", "doctor", "audit"] {
            let said = process.say_within(verb, Duration::from_secs(30)).await;
            assert!(!said.is_empty(), "{verb} says nothing with {settings}");
            let strays = canaries.strays(&[Place::new(verb, said.as_bytes())], &[]);
            assert!(strays.is_empty(), "{settings}{strays}\n{said}");
        }
    }
}
