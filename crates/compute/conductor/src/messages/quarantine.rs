//! Guests that no row names on their host: which are to go, and which an operator must decide about.

use std::collections::{BTreeMap, BTreeSet};

use compute_db::{Database, DbError, letting_go, quarantine, servers};
use compute_model::Server;
use compute_model::quarantine::{Quarantined, Verdict, Why, judge};
use compute_rpc::conductor::{GuestReport, GuestSeen, GuestsGone, Unwanted};

/// Sorts what a host reports besides its `own` servers, and keeps the list of quarantined guests.
///
/// # Errors
/// The database does not answer.
pub async fn sort(
    db: &Database,
    report: &GuestReport,
    own: &[Server],
) -> Result<Unwanted, DbError> {
    let own: BTreeSet<&str> = own.iter().map(|server| server.id.as_str()).collect();
    let words = letting_go::of_node(db.read(), &report.node_id).await?;
    let mut answer = Unwanted::default();
    let mut kept = Vec::new();
    let strange = report.guests.iter().filter(|guest| {
        // A driver names its guests by ids of servers.
        !own.contains(guest.server_id.as_str()) && uuid::Uuid::try_parse(&guest.server_id).is_ok()
    });
    for guest in strange {
        match verdict(db, report, &words, guest).await? {
            Verdict::Wanted => {}
            Verdict::Remove { epoch } => {
                tracing::warn!(server = guest.server_id, host = %report.host, "a guest is to go");
                answer.servers.push((guest.server_id.clone(), epoch));
            }
            Verdict::Quarantine(why) => kept.push((guest, why)),
        }
    }
    // The host may not have them (yet): a command that is still on its way must come too late.
    let seen: BTreeSet<&str> = report
        .guests
        .iter()
        .map(|guest| guest.server_id.as_str())
        .collect();
    let unseen = words
        .into_iter()
        .filter(|(id, _)| !seen.contains(id.as_str()) && !own.contains(id.as_str()));
    answer.servers.extend(unseen);
    let (found_again, doubtful): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|(guest, _)| report.doubted.contains(&guest.server_id));
    remember(db, report, &found_again, &doubtful).await?;
    answer.doubtful = doubtful
        .into_iter()
        .map(|(guest, _)| guest.server_id.clone())
        .collect();
    Ok(answer)
}

async fn verdict(
    db: &Database,
    report: &GuestReport,
    words: &BTreeMap<String, i64>,
    guest: &GuestSeen,
) -> Result<Verdict, DbError> {
    let row = match servers::find_any(db.read(), &guest.server_id).await {
        Ok(server) => Some(server),
        Err(DbError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let word = words.get(&guest.server_id).copied();
    Ok(judge(row.as_ref(), word, &report.host, guest.epoch))
}

/// Writes down what was found again, and takes out what is neither found nor in doubt.
async fn remember(
    db: &Database,
    report: &GuestReport,
    found: &[(&GuestSeen, Why)],
    doubtful: &[(&GuestSeen, Why)],
) -> Result<(), DbError> {
    let known = quarantine::of_node(db.read(), &report.node_id).await?;
    let here = |id: &str| {
        let mut all = found.iter().chain(doubtful);
        all.any(|(guest, _)| guest.server_id == id)
    };
    let out: Vec<&Quarantined> = known.iter().filter(|one| !here(&one.server_id)).collect();
    if found.is_empty() && out.is_empty() {
        return Ok(());
    }
    sql::retry(|| async {
        let tx = db.begin().await?;
        let now = sql::now(&tx).await?;
        for one in &out {
            quarantine::forget(&tx, &one.server_id, &report.node_id).await?;
        }
        for (guest, why) in found {
            let one = Quarantined {
                server_id: guest.server_id.clone(),
                host: report.host.to_string(),
                node_id: report.node_id.clone(),
                epoch: guest.epoch,
                power_state: guest.power_state,
                why: why.to_string(),
                first_seen: now,
                last_seen: now,
            };
            quarantine::note(&tx, &one).await?;
        }
        tx.commit().await?;
        Ok::<_, DbError>(())
    })
    .await?;
    for (guest, why) in found {
        if !known.iter().any(|one| one.server_id == guest.server_id) {
            tracing::error!(
                server = guest.server_id,
                host = %report.host,
                %why,
                "a guest is quarantined: kilonova guests list"
            );
        }
    }
    measure(db).await
}

/// What a host let go is neither awaited nor quarantined any more.
///
/// # Errors
/// The database does not answer.
pub async fn gone(db: &Database, message: &GuestsGone) -> Result<(), DbError> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        for (id, epoch) in &message.servers {
            letting_go::fulfilled(&tx, id, &message.node_id, *epoch).await?;
            quarantine::forget(&tx, id, &message.node_id).await?;
        }
        tx.commit().await?;
        Ok::<_, DbError>(())
    })
    .await?;
    measure(db).await
}

/// Sets the metric of quarantined guests.
///
/// # Errors
/// The database does not answer.
#[allow(clippy::cast_precision_loss, reason = "a count of guests")]
pub async fn measure(db: &Database) -> Result<(), DbError> {
    let count = quarantine::count(db.read()).await?;
    metrics::gauge!("kilonova_guests_quarantined").set(count as f64);
    Ok(())
}
