//! The comparison itself: a function of what the folder keeps and what the database knows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compute_db::{Database, cloud, hosts};
use compute_model::HostName;
use uuid::Uuid;

use super::{Membership, OwnNode};
use crate::state::State;

/// Why a folder and a database do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error(
        "{} belongs to cloud {ours}, but the database of compute is that of cloud {theirs}: set \
         [database] connection to the right one, or state_path. If this folder is to join that cloud, \
         say `kilonova identity confirm cloud`: guests that it does not know are kept, quarantined",
        folder.display()
    )]
    OtherCloud {
        folder: PathBuf,
        ours: String,
        theirs: String,
    },
    #[error(
        "{} belongs to cloud {ours}, but the database of compute is empty: set [database] connection \
         to the right one, or restore a copy of it. If the cloud is to begin anew with this folder, \
         say `kilonova identity confirm cloud`: its guests are kept, quarantined",
        folder.display()
    )]
    EmptyDatabase { folder: PathBuf, ours: String },
    #[error(
        "{} holds {guests} guests, but the database of compute knows no host of this folder: set \
         [database] connection to the right one, or state_path. If they are meant, say \
         `kilonova identity confirm cloud`: the guests are kept, quarantined",
        folder.display()
    )]
    GuestsOfNobody { folder: PathBuf, guests: usize },
    #[error(
        "the host of {} is called {before}, the settings say {after}: set [DEFAULT] host = {before}. \
         If it is to be renamed, say `kilonova identity confirm name`: the cloud then knows its \
         servers by the new name",
        folder.display()
    )]
    Renamed {
        folder: PathBuf,
        before: HostName,
        after: HostName,
    },
    #[error(
        "node {node_id} of {} is called {here}, but the database of compute knows it as {there}: \
         the database may be an older copy. Set [DEFAULT] host = {there}, or say `kilonova identity \
         confirm name`: the database then takes the name {here}",
        folder.display()
    )]
    KnownOtherwise {
        folder: PathBuf,
        node_id: String,
        here: HostName,
        there: String,
    },
    #[error(
        "the host name {name} belongs to node {node_id}, whose folder is not {}: start from that \
         folder, or set [DEFAULT] host to a name of its own. If that folder is lost for ever, say \
         `kilonova identity confirm node`: this folder is then the home of that node",
        folder.display()
    )]
    NameTaken {
        folder: PathBuf,
        name: HostName,
        node_id: String,
    },
}

/// What the database knows.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// None before the first start with this database.
    pub cloud_id: Option<String>,
    /// Ids of nodes and their hosts.
    pub nodes: Vec<(String, String)>,
    /// Those of them that were derived from this folder's secrets, as older releases did.
    pub derived: Vec<(String, String)>,
}

impl Known {
    fn name_of(&self, id: &str) -> Option<&str> {
        let node = self.nodes.iter().find(|(known, _)| known == id);
        node.map(|(_, host)| host.as_str())
    }

    /// The node that bears a name.
    pub fn node_named(&self, name: &str) -> Option<&str> {
        let node = self.nodes.iter().find(|(_, host)| host == name);
        node.map(|(id, _)| id.as_str())
    }
}

/// Reads what the database knows.
///
/// # Errors
/// It does not answer.
pub async fn known(state: &State, db: &Database) -> Result<Known> {
    let nodes = hosts::names(db.read()).await?;
    let derived = nodes
        .iter()
        .filter(|(id, host)| state.secrets.derived_node_id(host).as_ref() == Some(id))
        .cloned()
        .collect();
    Ok(Known {
        cloud_id: cloud::id(db.read()).await?,
        nodes,
        derived,
    })
}

/// What the folder belongs to from now on, if it and the database belong together. Where both are
/// new the cloud's id is a new one. `guests` is how many lie in the folder.
///
/// # Errors
/// See [`Mismatch`].
pub fn compare(
    folder: &Path,
    kept: Option<&Membership>,
    known: &Known,
    hosts: &[HostName],
    guests: usize,
) -> Result<Membership, Mismatch> {
    let folder = folder.to_owned();
    let cloud_id = match (kept, &known.cloud_id) {
        (None, Some(theirs)) => theirs.clone(),
        (None, None) => Uuid::new_v4().to_string(),
        (Some(ours), Some(theirs)) if ours.cloud_id == *theirs => theirs.clone(),
        (Some(ours), Some(theirs)) => {
            return Err(Mismatch::OtherCloud {
                folder,
                ours: ours.cloud_id.clone(),
                theirs: theirs.clone(),
            });
        }
        (Some(ours), None) => {
            return Err(Mismatch::EmptyDatabase {
                folder,
                ours: ours.cloud_id.clone(),
            });
        }
    };
    if kept.is_none() && known.derived.is_empty() && guests > 0 {
        return Err(Mismatch::GuestsOfNobody { folder, guests });
    }
    let mut nodes = match kept {
        Some(kept) => kept.nodes.clone(),
        None => before_the_file(known, hosts),
    };
    for (place, host) in hosts.iter().enumerate() {
        if place == nodes.len() {
            nodes.push(new_node(known, host));
        }
        check(&folder, known, &nodes[place], host)?;
    }
    Ok(Membership { cloud_id, nodes })
}

/// The nodes of a folder without a file: none, or of an older release. Where none of the names in
/// the settings is known, the known ones stand: the host was renamed.
fn before_the_file(known: &Known, hosts: &[HostName]) -> Vec<OwnNode> {
    let is_known = |host: &HostName| known.derived.iter().any(|(_, name)| *name == **host);
    if hosts.iter().any(is_known) {
        return Vec::new();
    }
    let old = known.derived.iter().filter_map(|(id, host)| {
        let host = host.parse().ok()?;
        Some(OwnNode {
            id: id.clone(),
            host,
        })
    });
    old.collect()
}

fn new_node(known: &Known, host: &HostName) -> OwnNode {
    let derived = known.derived.iter().find(|(_, name)| *name == **host);
    OwnNode {
        id: match derived {
            Some((id, _)) => id.clone(),
            None => Uuid::new_v4().to_string(),
        },
        host: host.clone(),
    }
}

fn check(folder: &Path, known: &Known, node: &OwnNode, host: &HostName) -> Result<(), Mismatch> {
    let folder = folder.to_owned();
    if node.host != *host {
        return Err(Mismatch::Renamed {
            folder,
            before: node.host.clone(),
            after: host.clone(),
        });
    }
    match (known.name_of(&node.id), known.node_named(host)) {
        (Some(there), _) if there != host.as_str() => Err(Mismatch::KnownOtherwise {
            folder,
            node_id: node.id.clone(),
            here: host.clone(),
            there: there.to_owned(),
        }),
        (_, Some(other)) if other != node.id => Err(Mismatch::NameTaken {
            folder,
            name: host.clone(),
            node_id: other.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: &str = "cccccccc-0000-4000-8000-000000000000";
    const NODE: &str = "11111111-0000-4000-8000-000000000000";
    const OTHER: &str = "22222222-0000-4000-8000-000000000000";

    fn name(text: &str) -> HostName {
        text.parse().expect("a name")
    }

    fn kept(host: &str) -> Membership {
        Membership {
            cloud_id: CLOUD.to_owned(),
            nodes: vec![OwnNode {
                id: NODE.to_owned(),
                host: name(host),
            }],
        }
    }

    fn known(cloud: Option<&str>, nodes: &[(&str, &str)]) -> Known {
        let owned = |(id, host): &(&str, &str)| ((*id).to_owned(), (*host).to_owned());
        Known {
            cloud_id: cloud.map(str::to_owned),
            nodes: nodes.iter().map(owned).collect(),
            derived: Vec::new(),
        }
    }

    fn compared(
        kept: Option<&Membership>,
        known: &Known,
        host: &str,
        guests: usize,
    ) -> Result<Membership, Mismatch> {
        compare(Path::new("/s"), kept, known, &[name(host)], guests)
    }

    #[test]
    fn what_belongs_together_starts() {
        let new = compared(None, &known(None, &[]), "a", 0).expect("all new");
        assert_eq!(new.nodes[0].host, name("a"));
        let folder = kept("a");
        let database = known(Some(CLOUD), &[(NODE, "a"), (OTHER, "b")]);
        assert_eq!(
            compared(Some(&folder), &database, "a", 3),
            Ok(folder.clone())
        );
        // A copy of the database from before the host's first report.
        let older = known(Some(CLOUD), &[]);
        assert_eq!(compared(Some(&folder), &older, "a", 3), Ok(folder));
        // A new host of a cloud that exists.
        let joins = compared(None, &database, "c", 0).expect("joins");
        assert_eq!(joins.cloud_id, CLOUD);
    }

    #[test]
    fn every_mismatch_is_told_apart_and_says_what_to_do() {
        let folder = kept("a");
        let both = known(Some(CLOUD), &[(NODE, "a"), (OTHER, "b")]);
        let cases = [
            (
                Some(&folder),
                known(Some("other"), &[]),
                "a",
                "[database] connection",
            ),
            (Some(&folder), known(None, &[]), "a", "is empty"),
            (None, known(Some(CLOUD), &[]), "a", "holds 2 guests"),
            (Some(&folder), both.clone(), "b", "set [DEFAULT] host = a"),
            (Some(&folder), both.clone(), "c", "set [DEFAULT] host = a"),
            (
                Some(&folder),
                known(Some(CLOUD), &[(NODE, "z")]),
                "a",
                "as z",
            ),
            (
                Some(&folder),
                known(Some(CLOUD), &[(OTHER, "a")]),
                "a",
                "belongs to node 2222",
            ),
        ];
        for (kept, known, host, says) in cases {
            let said = compared(kept, &known, host, 2).expect_err(says).to_string();
            assert!(said.contains(says), "{says}: {said}");
            assert!(said.contains("kilonova identity confirm"), "{said}");
        }
        let said = compared(None, &both, "a", 0)
            .expect_err("taken")
            .to_string();
        assert!(said.contains("confirm node"), "{said}");
    }

    #[test]
    fn a_folder_of_an_older_release_keeps_its_node_ids() {
        let mut database = known(None, &[(NODE, "a"), (OTHER, "b")]);
        database.derived = vec![(NODE.to_owned(), "a".to_owned())];
        let found = compared(None, &database, "a", 2).expect("its own");
        assert_eq!(found.nodes, kept("a").nodes);
        let renamed = compared(None, &database, "c", 2);
        assert!(
            matches!(renamed, Err(Mismatch::Renamed { .. })),
            "{renamed:?}"
        );
    }
}
