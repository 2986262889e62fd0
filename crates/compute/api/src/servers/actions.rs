//! The bodies of `POST /servers/{id}/action`. Actions that take nothing have no type: whatever stands behind their key
//! is ignored, as it always was.

use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words::{Flag, FlavorRef, Fqdn, Id, Metadata, Name};

#[derive(Debug, Deserialize, Versioned)]
pub struct RebootServer {
    pub reboot: Reboot,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Reboot {
    /// In one of three spellings each.
    #[mv(wire = "type", one_of("HARD", "Hard", "hard", "SOFT", "Soft", "soft"))]
    pub kind: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ResizeServer {
    pub resize: Resize,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Resize {
    #[mv(wire = "flavorRef")]
    pub flavor_ref: FlavorRef,
    #[mv(wire = "OS-DCF:diskConfig", one_of("AUTO", "MANUAL"))]
    pub disk_config: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateImage {
    #[mv(wire = "createImage")]
    pub create_image: Image,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Image {
    pub name: Name,
    pub metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateBackup {
    #[mv(wire = "createBackup")]
    pub create_backup: Backup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Backup {
    pub name: Name,
    /// Backups of one type replace one another.
    pub backup_type: String,
    /// How many of a type are kept.
    #[mv(lenient, minimum = 0)]
    pub rotation: u32,
    pub metadata: Option<Metadata>,
}

/// The answer to both of the above since 2.45; before, a `Location`.
#[derive(Debug, Serialize, Versioned)]
pub struct ImageMade<'v> {
    pub image_id: &'v str,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ChangePassword {
    #[mv(wire = "changePassword")]
    pub change_password: NewPassword,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewPassword {
    #[mv(wire = "adminPass")]
    pub admin_pass: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct LockServer {
    /// Whatever was sent, until 2.72.
    #[mv(wire = "lock", until = "2.72", required_since = "2.0")]
    pub ignored: Option<Value>,
    #[mv(since = "2.73", required_since = "2.73", nullable)]
    #[serde(default)]
    pub lock: Patch<LockReason>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct LockReason {
    #[mv(min_length = 1, max_length = 255)]
    pub locked_reason: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RescueServer {
    #[mv(nullable, required_since = "2.0")]
    #[serde(default)]
    pub rescue: Patch<Rescue>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Rescue {
    #[mv(wire = "adminPass")]
    pub admin_pass: Option<String>,
    pub rescue_image_ref: Option<Id>,
}

/// The answer: the password of the rescued guest, unless this cloud does not tell passwords.
#[derive(Debug, Serialize, Versioned)]
pub struct NewPasswordShown<'v> {
    #[mv(wire = "adminPass")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_pass: Option<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ResetState {
    #[mv(wire = "os-resetState")]
    pub reset_state: StateWanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct StateWanted {
    #[mv(one_of("active", "error"))]
    pub state: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct TriggerCrashDump {
    pub trigger_crash_dump: (),
}

#[derive(Debug, Deserialize, Versioned)]
pub struct EvacuateServer {
    pub evacuate: Evacuate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Evacuate {
    pub host: Option<Fqdn>,
    #[mv(wire = "onSharedStorage", until = "2.13", required_since = "2.0")]
    pub on_shared_storage: Option<Flag>,
    #[mv(wire = "adminPass")]
    pub admin_pass: Option<String>,
    #[mv(since = "2.29", until = "2.67")]
    pub force: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct MigrateServer {
    /// Whatever was sent, until 2.55.
    #[mv(wire = "migrate", until = "2.55", required_since = "2.0")]
    pub ignored: Option<Value>,
    #[mv(since = "2.56", required_since = "2.56", nullable)]
    #[serde(default)]
    pub migrate: Patch<MigrateTo>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct MigrateTo {
    #[mv(nullable)]
    pub host: Option<Fqdn>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct MigrateLive {
    #[mv(wire = "os-migrateLive")]
    pub migrate_live: LiveMigration,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct LiveMigration {
    #[mv(wire = "block_migration", until = "2.24", required_since = "2.0")]
    pub block_migration_told: Option<Flag>,
    #[mv(since = "2.25", required_since = "2.25")]
    pub block_migration: Option<BlockMigration>,
    #[mv(until = "2.24", required_since = "2.0")]
    pub disk_over_commit: Option<Flag>,
    /// `null` lets the scheduler choose; it must be written out.
    #[mv(nullable, required_since = "2.0")]
    pub host: Option<Fqdn>,
    #[mv(since = "2.30", until = "2.67")]
    pub force: Option<Flag>,
}

/// Whether disks are copied, since 2.25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(untagged)]
pub enum BlockMigration {
    Word(Auto),
    Told(Flag),
}

/// Copied where they are not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    Auto,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UnshelveServer {
    /// Whatever was sent, until 2.76.
    #[mv(wire = "unshelve", until = "2.76", required_since = "2.0")]
    pub ignored: Option<Value>,
    #[mv(since = "2.77", required_since = "2.77", nullable)]
    #[serde(default)]
    pub unshelve: Patch<Unshelve>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Unshelve {
    #[mv(
        wire = "availability_zone",
        since = "2.77",
        until = "2.90",
        required_since = "2.77"
    )]
    pub zone: Option<Name>,
    /// `null` unpins.
    #[mv(since = "2.91", nullable)]
    #[serde(default)]
    pub availability_zone: Patch<String>,
    #[mv(since = "2.91")]
    pub host: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GetConsoleOutput {
    #[mv(wire = "os-getConsoleOutput")]
    pub get_console_output: OutputWanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct OutputWanted {
    /// Lines from the end; -1 and `null` mean all.
    #[mv(lenient, nullable, pattern = "^-?[0-9]+$", minimum = -1)]
    pub length: Option<i64>,
}

/// The answer, without an envelope.
#[derive(Debug, Serialize, Versioned)]
pub struct ConsoleOutput<'v> {
    pub output: &'v str,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ChangeSecurityGroup {
    #[mv(wire = "addSecurityGroup")]
    pub add: Option<GroupNamed>,
    #[mv(wire = "removeSecurityGroup")]
    pub remove: Option<GroupNamed>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GroupNamed {
    #[mv(min_length = 1)]
    pub name: String,
}
