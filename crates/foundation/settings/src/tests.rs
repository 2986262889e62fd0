//! Files, environment and tables together, as an operator meets them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::{Opt, Reader, Section, Settings, Sources, defaults, reference, section};

#[derive(Debug)]
struct Main {
    state_path: PathBuf,
    images: PathBuf,
    workers: Option<u16>,
}

impl Section for Main {
    const NAME: &'static str = "DEFAULT";
    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::path("state_path", "./var", "Where everything lives."),
            Opt::path("images", "$state_path/images", "Where images live."),
            Opt::integer("workers", "", "Threads.").range(1, 64),
        ];
        OPTIONS
    }
    fn read(from: &mut Reader<'_>) -> Self {
        Main {
            state_path: from.path("state_path"),
            images: from.path("images"),
            workers: from.optional_integer("workers"),
        }
    }
}

#[derive(Debug)]
struct Agent {
    password: secrecy::SecretString,
    filters: Vec<String>,
    alias: Vec<String>,
    every: Duration,
    eager: bool,
    ratio: f64,
    mode: String,
}

impl Section for Agent {
    const NAME: &'static str = "agent";
    const ABOUT: &'static str = "The agent on each host.";
    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::secret("password", "", "How it logs in."),
            Opt::list("filters", "A, B", "In this order."),
            Opt::multi("alias", "One for each device."),
            Opt::seconds("every", "1.5", "Pause between looks.")
                .seconds_range(0.5, 60.0)
                .formerly(&["interval", "DEFAULT/agent_interval"]),
            Opt::boolean("eager", "true", "Look at once."),
            Opt::float("ratio", "4.0", "Over-commit.").float_range(0.5, 16.0),
            Opt::choice("mode", &["fast", "safe"], "safe", "How | to look."),
        ];
        OPTIONS
    }
    fn read(from: &mut Reader<'_>) -> Self {
        Agent {
            password: from.secret("password"),
            filters: from.list("filters"),
            alias: from.multi("alias"),
            every: from.seconds("every"),
            eager: from.boolean("eager"),
            ratio: from.float("ratio"),
            mode: from.text("mode"),
        }
    }
}

fn settings(text: &str) -> Settings {
    Settings::from_text(text, &[section::<Main>(), section::<Agent>()]).expect("an INI file")
}

#[test]
fn without_files_every_option_has_its_default() {
    let agent: Agent = defaults();
    assert_eq!(
        (agent.filters, agent.every),
        (
            vec!["A".to_owned(), "B".to_owned()],
            Duration::from_millis(1500)
        )
    );
    assert_eq!(
        (agent.eager, agent.ratio, agent.mode.as_str()),
        (true, 4.0, "safe")
    );
    let main: Main = defaults();
    assert_eq!(
        (main.images, main.workers),
        (PathBuf::from("./var/images"), None)
    );
}

#[test]
fn the_dialect_is_that_of_oslo() {
    let text = r#"# comment
[DEFAULT]
state_path = "/srv#1"
[agent]
password = p$$a"b'c\d%
filters = One,
  Two, Three
alias = {"a": 1}
alias: {"b": 2}
eager = No
[DEFAULT]
workers=8
"#;
    let settings = settings(text);
    let (main, agent): (Main, Agent) = (
        settings.read().expect("main"),
        settings.read().expect("agent"),
    );
    assert_eq!(
        (main.state_path, main.workers),
        (PathBuf::from("/srv#1"), Some(8))
    );
    assert_eq!(main.images, PathBuf::from("/srv#1/images"));
    assert_eq!(agent.password.expose_secret(), "p$a\"b'c\\d%");
    assert_eq!(agent.filters, ["One", "Two", "Three"]);
    assert_eq!(agent.alias, ["{\"a\": 1}", "{\"b\": 2}"]);
    assert!(!agent.eager);
    assert_eq!(settings.warnings(), Vec::<String>::new());
}

#[test]
fn a_line_that_is_none_of_the_dialect_is_named() {
    for (text, line, why) in [
        ("[agent]\nmode\n", 2, "expected name = value"),
        (
            "[agent]\n = fast\n",
            2,
            "an indented line follows no option",
        ),
        ("= fast\n", 1, "the name of the option is missing"),
        (
            "\n[agent]mode = fast\n",
            2,
            "expected the name of a section between [ and ]",
        ),
        (
            "[agent\n",
            1,
            "expected the name of a section between [ and ]",
        ),
        ("[ ]\n", 1, "expected the name of a section between [ and ]"),
        (
            "[agent]\nmode = fast\n\n  safe\n",
            4,
            "an indented line follows no option",
        ),
        (
            "[agent]\nmode = fast\n# so\n  safe\n",
            4,
            "an indented line follows no option",
        ),
    ] {
        let error = Settings::from_text(text, &[section::<Agent>()]).expect_err(text);
        let told = format!("settings.conf:{line}: not a settings file: {why}");
        assert_eq!(error.to_string(), told, "{text}");
    }
    let odd = "\u{feff}[ agent ]\r\nmode : safe\r\nfilters=a,\r\n\t# b\r\nalias=\r\nalias = '\r\n";
    let agent: Agent = settings(odd).read().expect("odd, but right");
    assert_eq!(agent.mode, "safe");
    assert_eq!(agent.filters, ["a", "# b"]);
    assert_eq!(agent.alias, ["'"]);
}

#[test]
fn a_value_that_does_not_parse_names_its_place_and_what_is_allowed() {
    let settings = settings("[agent]\n\nmode = quick\nratio = 99\nevery = soon\neager = perhaps\n");
    let problems = settings
        .read::<Agent>()
        .expect_err("four mistakes")
        .to_string();
    assert_eq!(
        problems,
        "settings.conf:5: [agent] every = soon: must be a number of seconds from 0.5 to 60\n\
         settings.conf:6: [agent] eager = perhaps: must be true or false\n\
         settings.conf:4: [agent] ratio = 99: must be a number from 0.5 to 16\n\
         settings.conf:3: [agent] mode = quick: must be one of fast, safe"
    );
}

#[test]
fn a_reference_that_leads_nowhere_or_round_is_a_problem() {
    let lost = settings("[DEFAULT]\nimages = $nowhere/x\n")
        .read::<Main>()
        .expect_err("nowhere");
    assert!(
        lost.to_string().contains("$nowhere is not set anywhere"),
        "{lost}"
    );
    let circle = settings("[DEFAULT]\nimages = $state_path\nstate_path = ${images}\n");
    assert!(
        circle
            .read::<Main>()
            .expect_err("circle")
            .to_string()
            .contains("refers to itself")
    );
    let other = settings("[DEFAULT]\nimages = ${agent.mode}/$agent.ratio.x\n").read::<Main>();
    assert!(
        other
            .expect_err("no such thing")
            .to_string()
            .contains("$agent.ratio.x")
    );
    let fine = settings("[DEFAULT]\nimages = ${agent.mode}/5$\n")
        .read::<Main>()
        .expect("fine");
    assert_eq!(fine.images, PathBuf::from("safe/5$"));
}

#[test]
fn references_that_multiply_are_refused_before_they_fill_the_memory() {
    let refused = |last: &str| {
        let levels = (0..14).map(|level| format!("a{level} = $a{0}$a{0}\n", level + 1));
        let text = format!(
            "[DEFAULT]\n{}a14 = {last}\nimages = $a0\n",
            levels.collect::<String>()
        );
        let refused = settings(&text).read::<Main>().expect_err("too much");
        refused.to_string()
    };
    let told = refused("");
    assert!(
        told.contains("it needs more than 1000 references"),
        "{told}"
    );
    let told = refused(&"x".repeat(1 << 18));
    assert!(
        told.contains("it is longer than 1048576 bytes"),
        "{}",
        &told[..200]
    );
}

#[test]
fn old_names_work_and_are_pointed_out() {
    let old = settings("[DEFAULT]\nagent_interval = 3\n");
    assert_eq!(
        old.read::<Agent>().expect("read").every,
        Duration::from_secs(3)
    );
    assert_eq!(
        old.warnings(),
        ["settings.conf:2: [DEFAULT] agent_interval is an old name of [agent] every"]
    );
    let both = settings("[agent]\nevery = 2\ninterval = 3\n");
    assert_eq!(
        both.read::<Agent>().expect("read").every,
        Duration::from_secs(2)
    );
}

#[test]
fn unknown_names_are_told_from_names_of_nova() {
    let text = "[DEFAULT]\nstate_pth = x\nmode = fast\nuse_syslog = on\n[placement]\ntoken = x\n[agnet]\na = 1\n\
                [DEFAULT]\nlog-dir = x\nuse_neutron = True\n[cells]\nname = x\n";
    assert_eq!(
        settings(text).warnings(),
        [
            "settings.conf:2: [DEFAULT] state_pth: there is no such option; did you mean state_path?",
            "settings.conf:3: [DEFAULT] mode: there is no such option; did you mean [agent] mode?",
            "settings.conf:8: [agnet] a: there is no such section; did you mean [agent]?",
            "settings.conf:4: [DEFAULT] use_syslog, log-dir: no effect here: logs go to standard error or log_file; \
             log_levels and use_json say what and how",
            "settings.conf:6: [placement] token: no effect here: services of the same process log in as users that the \
             cloud makes",
            "settings.conf:11: [DEFAULT] use_neutron: no effect here: Nova 34 does not have it any more",
            "settings.conf:13: [cells] name: no effect here: Nova 34 does not have it any more",
        ]
    );
}

#[test]
fn later_files_and_the_environment_win_and_repeated_options_add_up() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write");
        path
    };
    let first = write(
        "nova.conf",
        "[agent]\nmode = fast\nratio = 1\neager = no\nalias = 1\n",
    );
    let second = write("nova-local.conf", "[agent]\nratio = 2\nalias = 2\n");
    std::fs::create_dir(folder.path().join("d")).expect("folder");
    write("d/20.conf", "[agent]\nratio = 4\nalias = 4\n");
    write("d/10.conf", "[agent]\nratio = 3\nalias = 3\n");
    write("d/readme", "not read");
    let mut sources = Sources {
        files: vec![first, second],
        folders: vec![folder.path().join("d")],
        environment: BTreeMap::new(),
    };
    let load = |sources: &Sources| {
        Settings::load(sources, &[section::<Main>(), section::<Agent>()]).expect("load")
    };
    let agent: Agent = load(&sources).read().expect("read");
    assert_eq!((agent.mode.as_str(), agent.ratio), ("fast", 4.0));
    assert_eq!(agent.alias, ["1", "2", "3", "4"]);
    for (name, value) in [
        ("KILONOVA_AGENT_RATIO", "5"),
        ("KILONOVA_STATE_PATH", "/srv"),
        ("KILONOVA_TEST_POSTGRES", "x"),
        ("KILONOVA_AGENT_MOOD", "fast"),
    ] {
        sources
            .environment
            .insert(name.to_owned(), value.to_owned());
    }
    let settings = load(&sources);
    assert_eq!(settings.read::<Agent>().expect("read").ratio, 5.0);
    assert_eq!(
        settings.read::<Main>().expect("read").images,
        PathBuf::from("/srv/images")
    );
    assert_eq!(
        settings.warnings(),
        ["KILONOVA_AGENT_MOOD: there is no such option; did you mean KILONOVA_AGENT_MODE?"]
    );
}

#[test]
fn a_file_that_is_missing_or_broken_is_named() {
    let sources = Sources {
        files: vec!["/nowhere/nova.conf".into()],
        ..Sources::default()
    };
    let error = Settings::load(&sources, &[]).expect_err("missing");
    assert_eq!(error.to_string(), "cannot read /nowhere/nova.conf");
    let error = Settings::from_text("[agent]\nmode = fast\nwhat is this\n[DEFAULT]\n", &[])
        .expect_err("broken");
    assert!(error.to_string().starts_with("settings.conf:"), "{error}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let settings = settings("[agent]\npassword = hunter2\n");
    let read: Agent = settings.read().expect("read");
    assert!(!settings.shown().contains("hunter2") && settings.shown().contains("password = ***"));
    assert!(!format!("{read:?}").contains("hunter2"));
}

#[test]
fn a_secret_may_lie_in_a_file_and_nothing_else_may() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").expect("written");
    let settings = settings(&format!("[agent]\npassword = file:{}\n", file.display()));
    let read: Agent = settings.read().expect("read");
    assert_eq!(read.password.expose_secret(), "hunter2");
    let endless = "x".repeat(64 * 1024 + 1);
    for (content, why) in [
        (None, "cannot read"),
        (Some("\n"), "is empty"),
        (Some(&endless), "is longer than 65536 bytes"),
    ] {
        match content {
            Some(content) => std::fs::write(&file, content).expect("written"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        let error = settings.read::<Agent>().expect_err("no secret there");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn the_reference_lists_every_option() {
    let text = reference(&[section::<Agent>(), section::<Main>()]);
    assert!(text.find("## [DEFAULT]") < text.find("## [agent]"));
    assert!(
        text.contains("| `mode` | one of fast, safe | `safe` | How \\| to look. |"),
        "{text}"
    );
    assert!(text.contains("| `every` | a number of seconds from 0.5 to 60 | `1.5` | Pause between looks. Formerly `[agent] interval`. Formerly `[DEFAULT] agent_interval`. |"), "{text}");
}

/// A section whose option names others.
struct Store {
    rooms: Vec<(String, i64)>,
}

const ROOM: &[Opt] = &[Opt::integer("beds", "2", "How many sleep there.").range(1, 9)];

impl Section for Store {
    const NAME: &'static str = "store";
    const NAMED: Option<crate::Named> = Some(crate::Named {
        by: "rooms",
        about: "A room.",
        options: ROOM,
    });
    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[Opt::list("rooms", "", "Names of rooms.")];
        OPTIONS
    }
    fn read(from: &mut Reader<'_>) -> Self {
        let names = from.list("rooms").into_iter();
        let rooms = names.map(|name| {
            let beds = from.named(&name, ROOM, |room| room.integer("beds"));
            (name, beds)
        });
        Store {
            rooms: rooms.collect(),
        }
    }
}

#[test]
fn an_option_names_further_sections() {
    let text = "[store]\nrooms = red, blue\n[red]\nbeds = 3\n[green]\nbeds = 4\n";
    let settings = Settings::from_text(text, &[section::<Store>()]).expect("parses");
    let store: Store = settings.read().expect("reads");
    assert_eq!(store.rooms, [("red".to_owned(), 3), ("blue".to_owned(), 2)]);
    let warnings = settings.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("[green] beds: there is no such section"));
    assert!(settings.shown().contains("[blue]\nbeds = 2\n"));
    assert!(
        reference(&[section::<Store>()]).contains("### [NAME] of each NAME in `[store] rooms`")
    );
}

#[test]
fn what_a_named_section_does_not_know_is_a_problem() {
    let text = "[store]\nrooms = red\n[red]\nbeds = 12\nwindows = 1\n";
    let settings = Settings::from_text(text, &[section::<Store>()]).expect("parses");
    let problems = settings.read::<Store>().err().expect("refused").to_string();
    assert!(
        problems.contains("must be an integer from 1 to 9"),
        "{problems}"
    );
    assert!(problems.contains("there is no such option"), "{problems}");
}
