//! One-time passwords by the clock (RFC 6238), as Keystone's method `totp` takes them: six digits, SHA-1, steps of
//! 30 seconds; the secrets are the user's credentials of type `totp`, in base 32. A guess costs the turn and the time of
//! a password check, and counts as one where accounts can be locked.

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::attempts;
use crate::blobs::open;
use crate::fault::Fault;
use crate::queue::Asker;
use crate::state::State;
use crate::tables::{credentials, users};

/// The type of the credentials that hold secrets.
const KIND: &str = "totp";

/// Seconds for which a passcode is shown (RFC 6238, 4.1).
const STEP: i64 = 30;

/// Steps before the present one whose passcode is good too: who types is slow (Keystone's
/// `[totp] included_previous_windows`).
const EARLIER: i64 = 1;

/// The user who has the secret of this passcode.
///
/// # Errors
/// 401 whatever is wrong, or the line of checks is full.
pub async fn check_passcode<F, Fut>(
    state: &State,
    asker: Asker,
    passcode: &str,
    find: F,
) -> Result<users::Model, Fault>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<Option<users::Model>, Fault>>,
{
    if passcode.len() != DIGITS {
        return Err(Fault::Unauthorized);
    }
    let turn = state.hasher.turn(asker).await?;
    // Read only now: who was locked while waiting is locked.
    let user = find().await?;
    let now = Utc::now();
    let user = user.filter(|user| !state.rules.is_locked(user, now));
    // The work of a password check: six digits are guessed soon where guesses are cheap.
    state.hasher.verify(&turn, passcode, None).await?;
    let user = user.ok_or(Fault::Unauthorized)?;
    let held = credentials::Entity::find()
        .filter(credentials::Column::UserId.eq(user.id.as_str()))
        .filter(credentials::Column::Kind.eq(KIND))
        .all(state.db.read())
        .await?;
    for one in &held {
        if passcodes(&open(state, &one.blob)?, now).any(|good| good == passcode) {
            return Ok(user);
        }
    }
    attempts::count_failure(state, &user).await?;
    Err(Fault::Unauthorized)
}

/// The passcodes of a secret that are good now; none when it is no base 32.
fn passcodes(secret: &str, now: DateTime<Utc>) -> impl Iterator<Item = String> {
    let secret = BASE32_NOPAD.decode(secret.trim_end_matches('=').as_bytes());
    let step = now.timestamp() / STEP;
    let of = move |key: &Vec<u8>| {
        let key = key.clone();
        (0..=EARLIER).filter_map(move |back| passcode(&key, (step - back).cast_unsigned()))
    };
    secret.ok().as_ref().map(of).into_iter().flatten()
}

const DIGITS: usize = 6;

/// The passcode of a step (RFC 4226, 5.3).
fn passcode(key: &[u8], step: u64) -> Option<String> {
    let mut hash = Hmac::<Sha1>::new_from_slice(key).ok()?;
    hash.update(&step.to_be_bytes());
    let hash = hash.finalize().into_bytes();
    let from = usize::from(hash.last()? & 0xf);
    let four = hash.get(from..)?.first_chunk::<4>()?;
    let number = u32::from_be_bytes(*four) & 0x7fff_ffff;
    Some(format!("{:06}", number % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last six of the eight digits that RFC 6238, appendix B has for SHA-1.
    #[test]
    fn the_passcodes_are_those_of_the_standard() {
        let secret = BASE32_NOPAD.encode(b"12345678901234567890");
        for (at, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let now = DateTime::from_timestamp(at, 0).expect("a time");
            let good: Vec<_> = passcodes(&secret, now).collect();
            assert_eq!((good.len(), good[0].as_str()), (2, wanted));
            let later = now + chrono::Duration::seconds(STEP);
            assert_eq!(passcodes(&secret, later).nth(1).as_deref(), Some(wanted));
            assert!(
                passcodes(&secret, later + chrono::Duration::seconds(STEP))
                    .all(|code| code != wanted)
            );
        }
        assert_eq!(passcodes("no base 32!", Utc::now()).count(), 0);
        assert_eq!(passcodes("MFRGG===", Utc::now()).count(), 2, "with padding");
    }
}
