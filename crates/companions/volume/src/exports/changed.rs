//! What was served before a back end got another helper or name: nothing that is configured serves or ends it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sql::sea_orm::{EntityTrait, QueryOrder};
use sql::{Database, SqlError};

use crate::backends::Backends;
use crate::driver::Id;
use crate::settings::Settings;
use crate::tables::export;

/// How many are named.
const NAMED: usize = 10;

/// Names exports that no target which is configured serves or ends; none where there are no such.
///
/// # Errors
/// The database does not answer.
pub async fn unserved(
    db: &Database,
    backends: &Backends,
    machine: &str,
) -> Result<Option<String>, SqlError> {
    let rows = export::Entity::find()
        .order_by_asc(export::Column::Id)
        .all(db.read())
        .await?;
    let lost: Vec<String> = rows
        .iter()
        .filter(|row| !is_served(row, backends, machine))
        .map(|row| {
            let (id, volume) = (&row.id, &row.volume_id);
            format!(
                "{id} of volume {volume} ({} of {})",
                row.helper, row.backend
            )
        })
        .collect();
    let named = lost[..lost.len().min(NAMED)].join(", ");
    Ok(match lost.len() {
        0 => None,
        count if count > NAMED => Some(format!("{named} and {} more", count - NAMED)),
        _ => Some(named),
    })
}

fn is_served(row: &export::Model, backends: &Backends, machine: &str) -> bool {
    match backends.of(Some(&row.backend)) {
        // The name of a back end is that of a folder; the machine may be given another name.
        Ok(home) => {
            let name = row.backend.rsplit('@').next();
            home.settings.helper.word() == row.helper && name == Some(home.settings.name.as_str())
        }
        // Other machines have back ends of their own.
        Err(_) => row.machine != machine,
    }
}

/// A sentence for every folder with exports that no target which is configured looks after.
///
/// # Errors
/// A folder cannot be read.
pub fn strays(settings: &Settings) -> io::Result<Vec<String>> {
    let back_ends = settings.back_ends();
    let folders = back_ends
        .iter()
        .filter_map(|one| one.export_dir(&settings.export_dir));
    let owned: Vec<PathBuf> = folders.collect();
    let mut found = Vec::new();
    for back_end in entries(&settings.export_dir)? {
        for folder in entries(&back_end)? {
            let left = match owned.contains(&folder) {
                true => 0,
                false => entries(&folder)?
                    .iter()
                    .filter(|one| is_export(one))
                    .count(),
            };
            if left > 0 {
                found.push(format!(
                    "{} has {left} exports, and no back end serves or ends them",
                    folder.display()
                ));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether its name is the id of one.
fn is_export(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.parse::<Id>().is_ok())
}

/// What is in a folder, if it is one.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::store;
    use crate::service::Volumes;
    use crate::settings::{BackEnd, Helper};

    fn settings(folder: &Path) -> Settings {
        Settings {
            back_end: BackEnd::sample("file", &folder.join("volumes")),
            backup_dir: folder.join("backups"),
            export_dir: folder.join("exports"),
            host: "here".to_owned(),
            keep_free: 0,
            ..Settings::default()
        }
    }

    async fn refused(db: &Database, settings: &Settings) -> Option<String> {
        let opened = Volumes::open(db.clone(), settings.clone()).await;
        opened.err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_helper_does_not_change_under_what_is_served() {
        for db in sql::testing::engines().await {
            let folder = tempfile::tempdir().expect("a folder");
            let mut settings = settings(folder.path());
            assert_eq!(refused(&db, &settings).await, None);
            let row = export::Model::sample(&store::new_id(), &store::new_id());
            let added = store::insert(db.write(), row.clone()).await;
            added.expect("a row");
            assert_eq!(refused(&db, &settings).await, None);
            for _ in 0..11 {
                let other = export::Model {
                    helper: "nbd".to_owned(),
                    ..export::Model::sample(&store::new_id(), &row.volume_id)
                };
                let added = store::insert(db.write(), other).await;
                added.expect("a row");
            }
            let said = refused(&db, &settings).await.expect("refused");
            assert_eq!(said.matches("(nbd of here@file)").count(), 10, "{said}");
            assert!(said.contains("and 1 more;"), "{said}");
            let gone = export::Entity::delete_many().exec(db.write()).await;
            gone.expect("gone");
            let added = store::insert(db.write(), row.clone()).await;
            added.expect("a row");

            // The machine has another name, then the back end.
            settings.host = "there".to_owned();
            assert_eq!(refused(&db, &settings).await, None);
            settings.back_end.name = "disk".to_owned();
            let said = refused(&db, &settings).await.expect("refused");
            assert!(said.contains(&row.id), "{said}");
            settings.backends = vec![settings.back_end.clone()];
            // Where several are listed, that of another machine is none of these.
            assert_eq!(refused(&db, &settings).await, None);
            settings.host = "here".to_owned();
            let said = refused(&db, &settings).await.expect("refused");
            assert!(said.contains(&row.id), "{said}");
        }
    }

    #[test]
    fn folders_that_no_back_end_has_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(folder.path());
        assert_eq!(strays(&settings).expect("read"), [""; 0]);
        settings.back_end.helper = Helper::Nbd(Default::default());
        for place in ["file/nbd", "file/tgt", "old/nbd"] {
            let place = settings.export_dir.join(place).join(store::new_id());
            fs::create_dir_all(place).expect("made");
        }
        fs::write(settings.export_dir.join("file/tgt/tgtd.log"), "").expect("written");
        let said = strays(&settings).expect("read");
        let ends = ["file/tgt has 1 exports", "old/nbd has 1 exports"];
        assert_eq!(said.len(), ends.len(), "{said:?}");
        for (said, end) in said.iter().zip(ends) {
            assert!(said.contains(end), "{said}");
        }
    }
}
