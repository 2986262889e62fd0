//! Judgements on request bodies from a file, for comparison with another implementation of the API.
//!
//! `COMPUTE_ADMISSION_CASES` names a file of lines `{"type": …, "version": "2.N" | "legacy", "body": …}`; beside it, in
//! a file ending in `.out`, comes one line of JSON for each: `null` when admitted, the refusal's text when not.

use std::fmt::Write as _;
use std::fs;

use compute_api::servers::{actions, create, update};
use compute_api::{consoles, flavors, interfaces, keypairs, metadata, quota_sets, services, tags};
use microversion::{Mode, Refusal, Version, Versioned, admit};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn judge<R: Versioned + DeserializeOwned>(body: Value, mode: Mode) -> Result<(), Refusal> {
    admit::<R>(body, mode).map(|_| ())
}

type Judge = fn(Value, Mode) -> Result<(), Refusal>;

const JUDGES: &[(&str, Judge)] = &[
    ("flavor.create", judge::<flavors::CreateFlavor>),
    ("flavor.extra_specs", judge::<flavors::CreateExtraSpecs>),
    ("flavor.update", judge::<flavors::UpdateFlavor>),
    ("interface.create", judge::<interfaces::AttachInterface>),
    ("keypair.create", judge::<keypairs::CreateKeypair>),
    ("metadata.create", judge::<metadata::SetMetadata>),
    ("metadata.update", judge::<metadata::SetItem>),
    ("quota.update", judge::<quota_sets::UpdateQuotaSet>),
    ("remote_console.create", judge::<consoles::CreateConsole>),
    ("server.backup", judge::<actions::CreateBackup>),
    ("server.console_output", judge::<actions::GetConsoleOutput>),
    ("server.create", judge::<create::CreateServer>),
    ("server.evacuate", judge::<actions::EvacuateServer>),
    ("server.lock", judge::<actions::LockServer>),
    ("server.migrate", judge::<actions::MigrateServer>),
    ("server.migrate_live", judge::<actions::MigrateLive>),
    ("server.reboot", judge::<actions::RebootServer>),
    ("server.rebuild", judge::<update::RebuildServer>),
    ("server.resize", judge::<actions::ResizeServer>),
    ("server.unshelve", judge::<actions::UnshelveServer>),
    ("server.update", judge::<update::UpdateServer>),
    ("service.update", judge::<services::UpdateService>),
    ("tags.update_all", judge::<tags::ReplaceTags>),
];

#[test]
#[ignore = "answers questions from a file, see above"]
fn bodies_from_a_file_are_judged() {
    let path = std::env::var("COMPUTE_ADMISSION_CASES").expect("a file of cases");
    let mut judged = String::new();
    for line in fs::read_to_string(&path).expect("readable").lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let mode = match case["version"].as_str().expect("a text") {
            "legacy" => Mode::Relaxed(Version::new(2, 0)),
            version => Mode::Strict(version.parse().expect("a version")),
        };
        let kind = case["type"].as_str().expect("a text");
        let (_, judge) = JUDGES.iter().find(|(name, _)| *name == kind).expect(kind);
        let verdict = judge(case["body"].clone(), mode)
            .map_or_else(|refusal| json!(refusal.to_string()), |()| Value::Null);
        writeln!(judged, "{verdict}").expect("text grows");
    }
    fs::write(path + ".out", judged).expect("writable");
}
