//! Attempts at a password: each is a guess, whether it logs in or changes the password. They wait for
//! their turn, are counted where accounts can be locked, and hashes of plain bcrypt are renewed on
//! the way.

use chrono::Utc;
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::fault::Fault;
use crate::passwords::Fit;
use crate::queue::{Asker, Turn};
use crate::state::State;
use crate::tables::{application_credentials, users};

/// The user whose password this is, and the turn in which that was found out. Who asks for somebody
/// unknown, locked or disabled waits as long and learns as little.
///
/// # Errors
/// The password is not theirs, or the line of checks is full.
pub async fn check_password<F, Fut>(
    state: &State,
    asker: Asker,
    secret: &str,
    find: F,
) -> Result<(Turn, users::Model), Fault>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<Option<users::Model>, Fault>>,
{
    if secret.chars().count() > state.settings.max_password_length {
        return Err(Fault::Unauthorized);
    }
    let turn = state.hasher.turn(asker).await?;
    // Read only now: who was locked while waiting is locked.
    let user = find().await?;
    let locked = user
        .as_ref()
        .is_some_and(|user| state.rules.is_locked(user, Utc::now()));
    let hash = user
        .as_ref()
        .filter(|_| !locked)
        .and_then(|user| user.password_hash.as_deref());
    let fit = state.hasher.verify(&turn, secret, hash).await?;
    let mut user = user.ok_or(Fault::Unauthorized)?;
    if fit == Fit::No {
        if !locked {
            count_failure(state, &user).await?;
        }
        return Err(Fault::Unauthorized);
    }
    if fit == Fit::Outdated {
        renew_password(state, &turn, &mut user, secret).await?;
    }
    Ok((turn, user))
}

/// Counts a failure where accounts can be locked. Tokens do not depend on it, so what is remembered
/// of them stays.
///
/// # Errors
/// The database does not answer.
pub async fn count_failure(state: &State, user: &users::Model) -> Result<(), Fault> {
    if state.rules.settings.lockout_failure_attempts.is_none() {
        return Ok(());
    }
    let now = sql::micros(Utc::now());
    let served = now - state.rules.lockout_duration();
    // After a lock was served, counting begins anew.
    let anew = users::Entity::update_many()
        .col_expr(users::Column::FailedAttempts, Expr::value(1_i64))
        .col_expr(users::Column::FailedAt, Expr::value(now))
        .filter(users::Column::Id.eq(user.id.as_str()))
        .filter(users::Column::FailedAt.lte(served))
        .exec(state.db.write())
        .await?;
    if anew.rows_affected > 0 {
        return Ok(());
    }
    users::Entity::update_many()
        .col_expr(
            users::Column::FailedAttempts,
            Expr::col(users::Column::FailedAttempts).add(1),
        )
        .col_expr(users::Column::FailedAt, Expr::value(now))
        .filter(users::Column::Id.eq(user.id.as_str()))
        .exec(state.db.write())
        .await?;
    Ok(())
}

/// Who proved all that is asked of them is forgiven their failures, and the account is in use today.
///
/// # Errors
/// The database does not answer.
pub async fn forgive(state: &State, user: &users::Model) -> Result<(), Fault> {
    if user.failed_attempts != 0 {
        users::Entity::update_many()
            .col_expr(users::Column::FailedAttempts, Expr::value(0_i64))
            .col_expr(
                users::Column::FailedAt,
                Expr::value(None::<chrono::DateTime<Utc>>),
            )
            .filter(users::Column::Id.eq(user.id.as_str()))
            .exec(state.db.write())
            .await?;
    }
    let now = sql::micros(Utc::now());
    let days = state.rules.settings.disable_user_account_days_inactive;
    let today = user
        .last_active_at
        .is_some_and(|last| last.date_naive() >= now.date_naive());
    // Who was disabled for being idle is not woken by a login that fails for it.
    if days.is_some() && !today && state.rules.is_enabled(user, now) {
        users::Entity::update_many()
            .col_expr(users::Column::LastActiveAt, Expr::value(now))
            .filter(users::Column::Id.eq(user.id.as_str()))
            .exec(state.db.write())
            .await?;
    }
    Ok(())
}

/// Replaces a hash of plain bcrypt, unless it was changed meanwhile.
async fn renew_password(
    state: &State,
    turn: &Turn,
    user: &mut users::Model,
    secret: &str,
) -> Result<(), Fault> {
    let fresh = state.hasher.hash(turn, secret).await?;
    let renewed = users::Entity::update_many()
        .col_expr(users::Column::PasswordHash, Expr::value(fresh.as_str()))
        .filter(users::Column::Id.eq(user.id.as_str()))
        .filter(users::Column::PasswordHash.eq(user.password_hash.as_deref()))
        .exec(state.db.write())
        .await?;
    if renewed.rows_affected == 0 {
        return Ok(());
    }
    user.password_hash = Some(fresh);
    tracing::info!(
        user = user.id,
        "a password hash of plain bcrypt was renewed"
    );
    Ok(())
}

/// The same for the secret of an application credential.
pub async fn renew_credential(
    state: &State,
    turn: &Turn,
    row: &application_credentials::Model,
    secret: &str,
) -> Result<(), Fault> {
    let fresh = state.hasher.hash(turn, secret).await?;
    application_credentials::Entity::update_many()
        .col_expr(
            application_credentials::Column::SecretHash,
            Expr::value(fresh),
        )
        .filter(application_credentials::Column::Id.eq(row.id.as_str()))
        .exec(state.db.write())
        .await?;
    Ok(())
}
