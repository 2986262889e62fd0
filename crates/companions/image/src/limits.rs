//! What is limited of a project's images, and where the numbers come from: the resources of Glance's unified limits.

use std::collections::BTreeMap;

use async_trait::async_trait;

/// The unit of the limits of bytes.
pub const MIB: i64 = 1 << 20;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// MiB of complete images and of what is being received for them.
    SizeTotal,
    /// MiB in the staging area.
    StageTotal,
    /// Images.
    CountTotal,
    /// Images that receive data or wait staged.
    CountUploading,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 4] = [
        Resource::SizeTotal,
        Resource::StageTotal,
        Resource::CountTotal,
        Resource::CountUploading,
    ];

    /// The name in the identity service's limits.
    pub fn name(self) -> &'static str {
        match self {
            Resource::SizeTotal => "image_size_total",
            Resource::StageTotal => "image_stage_total",
            Resource::CountTotal => "image_count_total",
            Resource::CountUploading => "image_count_uploading",
        }
    }

    /// Bytes of one of what the limit counts; 1 for things.
    pub fn unit(self) -> i64 {
        match self {
            Resource::SizeTotal | Resource::StageTotal => MIB,
            Resource::CountTotal | Resource::CountUploading => 1,
        }
    }
}

/// What a project may have; a negative number is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// MiB.
    pub size_total: i64,
    /// MiB.
    pub stage_total: i64,
    pub count_total: i64,
    pub count_uploading: i64,
}

impl Limits {
    /// The limit of a resource.
    pub fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::SizeTotal => self.size_total,
            Resource::StageTotal => self.stage_total,
            Resource::CountTotal => self.count_total,
            Resource::CountUploading => self.count_uploading,
        }
    }

    /// Sets the limit of a resource.
    pub fn set(&mut self, resource: Resource, limit: i64) {
        *match resource {
            Resource::SizeTotal => &mut self.size_total,
            Resource::StageTotal => &mut self.stage_total,
            Resource::CountTotal => &mut self.count_total,
            Resource::CountUploading => &mut self.count_uploading,
        } = limit;
    }
}

/// Where limits other than the settings' come from: the identity service.
#[async_trait]
pub trait LimitSource: Send + Sync {
    /// The limits of a project by resource; one that is not named has the settings' default.
    async fn limits(&self, project_id: &str) -> Result<BTreeMap<String, i64>, LimitsUnavailable>;
}

/// The identity service did not give its limits.
#[derive(Debug, thiserror::Error)]
#[error("the limits of the project cannot be asked for: {0}")]
pub struct LimitsUnavailable(pub String);
