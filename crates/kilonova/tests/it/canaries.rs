//! A canary in every secret that a cloud has: it lives a whole life with the log at its most talkative, and
//! then nothing may sing where it does not belong.

mod life;
mod search;
mod volumes;

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testing::Answer;

use crate::process::Process;
use search::Place;

/// What lies where, and why. A name that ends in `*` stands for all that begin so; rows are named by
/// database, table and column. Nothing else may lie anywhere.
#[rustfmt::skip]
const HOMES: &[(&str, &str, &str)] = &[
    ("password of admin", "clouds.yaml", "the operator's clients read it"),
    ("password of admin", "keys/secrets.json", "made at the first start"),
    ("password of demo", "clouds.yaml", "clients of the demo user read it"),
    ("password of demo", "keys/secrets.json", "made at the first start"),
    ("password of demo", "openrc", "clients of the demo user read it"),
    ("root of the services' passwords", "keys/secrets.json", "made at the first start"),
    ("secret of the metadata proxy", "keys/secrets.json", "made at the first start"),
    ("key of tokens", "keys/fernet/*", "its home"),
    ("key of credentials", "keys/credential/*", "its home"),
    ("user data", "db/compute.sqlite servers.user_data", "the guest may ask for it as long as the row is there"),
    ("user data", "db/compute.sqlite", "the file of that row"),
    ("user data", "db/compute.sqlite-wal", "the file of that row"),
];

/// What lies somewhere beside that while servers live, and goes with them.
#[rustfmt::skip]
const HOMES_OF_SERVERS: &[(&str, &str, &str)] = &[
    ("user data", "servers/*", "the config drive of the guest"),
    ("password of a server", "servers/*", "the config drive of the guest"),
    ("injected file", "servers/*", "the config drive of the guest"),
    ("password of a server", "db/compute.sqlite-wal", "what the journal forgot, until the log begins anew"),
    ("injected file", "db/compute.sqlite-wal", "what the journal forgot, until the log begins anew"),
    ("password of a server", "db/compute.sqlite", "what the journal forgot, until the log is carried over"),
    ("injected file", "db/compute.sqlite", "what the journal forgot, until the log is carried over"),
];

/// All secrets of a cloud, and what was heard where none may be heard.
#[derive(Default)]
pub struct Canaries {
    /// What it is, and the text to look for.
    secrets: Vec<(&'static str, String)>,
    answers: Vec<Place>,
}

impl Canaries {
    /// A new secret.
    pub fn seed(&mut self, what: &'static str) -> String {
        let text = format!("Canary{}", hex::encode(rand::random::<[u8; 12]>()));
        self.learn(what, &text);
        text
    }

    /// A secret that the cloud made.
    pub fn learn(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 12, "{what}: too short to be found by: {text}");
        self.secrets.push((what, text.to_owned()));
    }

    /// An answer in which no secret may be.
    pub fn heard(&mut self, what: &str, answer: &Answer) {
        let text = format!("{:?}\n{}", answer.headers, answer.text);
        self.answers
            .push(Place::new(format!("the answer to {what}"), text.as_bytes()));
    }

    /// The secrets that lie at places which no table allows them, a line each.
    fn strays(&self, places: &[Place], homes: &[&[(&str, &str, &str)]]) -> String {
        let mut strays = String::new();
        for (what, text) in &self.secrets {
            for form in forms(text) {
                for place in places.iter().filter(|place| place.holds(&form)) {
                    let mut homes = homes.iter().flat_map(|table| table.iter());
                    let home = homes.any(|(who, home, _)| who == what && place.is(home));
                    if !home {
                        let line = place.line(&form);
                        writeln!(strays, "{what} in {}: {line:.300}", place.name).unwrap();
                    } else if let Some(mode) = place.readable_by_others {
                        writeln!(strays, "{what} in {}, mode {mode:o}", place.name).unwrap();
                    }
                }
            }
        }
        strays
    }
}

/// How a secret may be written.
fn forms(text: &str) -> [String; 4] {
    let base64 = STANDARD.encode(text);
    // The last characters depend on what follows.
    let base64 = base64.trim_end_matches('=');
    [
        text.to_owned(),
        base64[..base64.len() - 2].to_owned(),
        hex::encode(text),
        hex::encode_upper(text),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_where_it_does_not_belong() {
    let screen = life::screen().await;
    let settings =
        format!("[DEFAULT]\ndebug = true\n[fake]\nvnc_server = {screen}\nfail_start_of = doomed\n");
    let mut process = Process::start(&settings).await;
    let children = search::Children::watch(process.id());
    let mut canaries = Canaries::default();
    life::keys(&process, &mut canaries);
    life::users(&process, &mut canaries).await;
    let servers = life::servers(&process, &mut canaries).await;
    volumes::volumes(&process, &mut canaries).await;
    life::strangers(&process, &mut canaries).await;
    // Each is there where it may be: the search finds what is there.
    let living = search::folder(&process.state()).await;
    for (what, home) in [
        ("password of a server", "servers/*"),
        ("user data", "db/compute.sqlite servers.user_data"),
        ("key of tokens", "keys/fernet/*"),
    ] {
        assert!(canaries.lives(what, home, &living), "no {what} in {home}");
    }
    let strays = canaries.strays(&living, &[HOMES, HOMES_OF_SERVERS]);
    assert!(strays.is_empty(), "while servers live:\n{strays}");

    life::end(&process, &mut canaries, servers).await;
    let mut places = children.end();
    process.stop().await;
    places.extend(search::folder(&process.state()).await);
    places.push(Place::new("the log", process.log().as_bytes()));
    places.append(&mut canaries.answers);
    let strays = canaries.strays(&places, &[HOMES]);
    assert!(strays.is_empty(), "at the end:\n{strays}");
}

impl Canaries {
    /// Whether one of these lies there.
    fn lives(&self, what: &str, home: &str, places: &[Place]) -> bool {
        let mut those = self.secrets.iter().filter(|(name, _)| *name == what);
        those.any(|(_, text)| {
            let forms = forms(text);
            let mut places = places.iter().filter(|place| place.is(home));
            places.any(|place| forms.iter().any(|form| place.holds(form)))
        })
    }
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
