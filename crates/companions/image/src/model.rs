//! An image as the service thinks of it, and the rules of its life.

use std::collections::{BTreeMap, BTreeSet};

use crate::tables::metadefs::namespace;
use crate::tables::{Status, Visibility, Word, image};

/// The property that says which task imports the image's data.
pub const IMPORT_TASK: &str = "os_glance_import_task";
/// The property that says where an import failed to put the data.
pub const FAILED_IMPORT: &str = "os_glance_failed_import";
/// Property names that only the service itself may use begin so.
pub const RESERVED_PREFIX: &str = "os_glance";
/// The one store that there is.
pub const STORE: &str = "file";
/// The algorithm of `os_hash_value`.
pub const HASH: &str = "sha512";

/// An image with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub row: image::Model,
    pub properties: BTreeMap<String, String>,
    pub tags: BTreeSet<String>,
}

/// Who looks at images.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The project of the caller's token.
    pub project: Option<String>,
    pub admin: bool,
    /// Another service of the cloud, which fetches images for those it works for.
    pub service: bool,
}

impl Viewer {
    /// Whether the image is visible at all, before any policy. `member`: the viewer's project is a
    /// member of the image, whatever it answered.
    pub fn sees(&self, image: &image::Model, member: bool) -> bool {
        self.admin
            || self.service
            || match image.visibility {
                Visibility::Public | Visibility::Community => true,
                Visibility::Shared => member || self.owns(image),
                Visibility::Private => self.owns(image),
            }
    }

    /// Whether the namespace of metadata definitions is visible at all, before any policy.
    pub fn sees_namespace(&self, row: &namespace::Model) -> bool {
        self.admin
            || row.visibility == Visibility::Public
            || self.project.as_ref() == Some(&row.owner)
    }

    fn owns(&self, image: &image::Model) -> bool {
        match (&image.owner, &self.project) {
            (Some(owner), Some(project)) => owner == project,
            // An image without owner belongs to nobody in particular, as in Glance.
            (None, _) => true,
            _ => false,
        }
    }
}

/// Whether the image has data that may be read.
pub fn has_data(status: Status) -> bool {
    matches!(status, Status::Active | Status::Deactivated)
}

/// The message of a step that the table does not know.
pub fn no_way(from: Status, to: Status) -> String {
    format!(
        "Image status transition from {} to {} is not allowed",
        from.word(),
        to.word()
    )
}
