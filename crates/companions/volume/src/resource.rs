//! What projects may have only so much of.

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Backups,
    BackupGigabytes,
    Gigabytes,
    Groups,
    PerVolumeGigabytes,
    Snapshots,
    Volumes,
}

impl Resource {
    pub const ALL: [Resource; 7] = [
        Resource::Backups,
        Resource::BackupGigabytes,
        Resource::Gigabytes,
        Resource::Groups,
        Resource::PerVolumeGigabytes,
        Resource::Snapshots,
        Resource::Volumes,
    ];

    /// Those that are limited for each type too.
    pub const OF_TYPE: [Resource; 3] =
        [Resource::Gigabytes, Resource::Snapshots, Resource::Volumes];

    pub fn name(self) -> &'static str {
        match self {
            Resource::Backups => "backups",
            Resource::BackupGigabytes => "backup_gigabytes",
            Resource::Gigabytes => "gigabytes",
            Resource::Groups => "groups",
            Resource::PerVolumeGigabytes => "per_volume_gigabytes",
            Resource::Snapshots => "snapshots",
            Resource::Volumes => "volumes",
        }
    }

    /// The name of the limit of one type.
    pub fn of_type(self, kind: &str) -> String {
        format!("{}_{kind}", self.name())
    }
}
