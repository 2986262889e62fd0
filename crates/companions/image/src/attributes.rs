//! The attributes of an image: one table, from which validation, assignment and the published
//! schema follow.

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::model::{Image, RESERVED_PREFIX};
use crate::settings::Settings;
use crate::tables::{Visibility, Word};

/// An attribute of an image.
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    pub read_only: bool,
    pub about: &'static str,
}

/// What values an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many characters; 0 means any.
    Text(usize),
    /// One of these words.
    Words(&'static [&'static str]),
    DiskFormat,
    ContainerFormat,
    Uuid,
    Flag,
    Number,
    /// A list of texts of at most 255 characters.
    Tags,
}

const fn set(name: &'static str, kind: Kind, about: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        nullable: false,
        read_only: false,
        about,
    }
}

const fn or_null(mut attribute: Attribute) -> Attribute {
    attribute.nullable = true;
    attribute
}

const fn read(mut attribute: Attribute) -> Attribute {
    attribute.read_only = true;
    attribute
}

const STATUSES: &[&str] = &[
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
];
const VISIBILITIES: &[&str] = &["community", "public", "private", "shared"];

/// The table, sorted as Glance documents it.
pub const ATTRIBUTES: [Attribute; 23] = [
    set("id", Kind::Uuid, "An identifier for the image"),
    or_null(set(
        "name",
        Kind::Text(255),
        "Descriptive name for the image",
    )),
    read(set("status", Kind::Words(STATUSES), "Status of the image")),
    set(
        "visibility",
        Kind::Words(VISIBILITIES),
        "Scope of image accessibility",
    ),
    set(
        "protected",
        Kind::Flag,
        "If true, image will not be deletable.",
    ),
    set(
        "os_hidden",
        Kind::Flag,
        "If true, image will not appear in default image list response.",
    ),
    read(or_null(set(
        "checksum",
        Kind::Text(32),
        "md5 hash of image contents.",
    ))),
    read(or_null(set(
        "os_hash_algo",
        Kind::Text(64),
        "Algorithm to calculate the os_hash_value",
    ))),
    read(or_null(set(
        "os_hash_value",
        Kind::Text(128),
        "Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
    ))),
    or_null(set("owner", Kind::Text(255), "Owner of the image")),
    read(or_null(set(
        "size",
        Kind::Number,
        "Size of image file in bytes",
    ))),
    read(or_null(set(
        "virtual_size",
        Kind::Number,
        "Virtual size of image in bytes",
    ))),
    or_null(set(
        "container_format",
        Kind::ContainerFormat,
        "Format of the container",
    )),
    or_null(set("disk_format", Kind::DiskFormat, "Format of the disk")),
    read(set(
        "created_at",
        Kind::Text(0),
        "Date and time of image registration",
    )),
    read(set(
        "updated_at",
        Kind::Text(0),
        "Date and time of the last image modification",
    )),
    set("tags", Kind::Tags, "List of strings related to the image"),
    read(set(
        "direct_url",
        Kind::Text(0),
        "URL to access the image file kept in external store",
    )),
    set(
        "min_ram",
        Kind::Number,
        "Amount of ram (in MB) required to boot image.",
    ),
    set(
        "min_disk",
        Kind::Number,
        "Amount of disk space (in GB) required to boot image.",
    ),
    read(set("self", Kind::Text(0), "An image self url")),
    read(set("file", Kind::Text(0), "An image file url")),
    read(set("schema", Kind::Text(0), "An image schema url")),
];

/// Names that are attributes of the service, not of users.
const RESERVED: [&str; 5] = ["location", "locations", "deleted", "deleted_at", "stores"];

/// The attribute called `name`; anything else is a custom property.
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.name == name)
}

/// Refuses to let a user write `name`. An id can be chosen at creation only.
pub fn writable(name: &str, creating: bool) -> Result<(), Fault> {
    if RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX) {
        return Err(Fault::Forbidden(format!("Attribute '{name}' is reserved.")));
    }
    let read_only = attribute(name).is_some_and(|attribute| attribute.read_only);
    if read_only || (name == "id" && !creating) {
        return Err(Fault::Forbidden(format!(
            "Attribute '{name}' is read-only."
        )));
    }
    Ok(())
}

/// Checks `value` against what `name` takes.
pub fn check(name: &str, value: &Value, settings: &Settings) -> Result<(), Fault> {
    let wrong = match attribute(name) {
        None => {
            if name.is_empty() || name.chars().count() > 255 {
                return Err(Fault::BadRequest(
                    "Custom property should not be greater than 255 characters.".to_owned(),
                ));
            }
            (!value.is_string()).then(|| format!("{value} is not of type 'string'"))
        }
        Some(attribute) if value.is_null() && attribute.nullable => None,
        Some(attribute) => mismatch(attribute.kind, value, settings),
    };
    match wrong {
        None => Ok(()),
        Some(why) => Err(Fault::BadRequest(format!(
            "Provided object does not match schema 'image': {why} (attribute '{name}')"
        ))),
    }
}

fn mismatch(kind: Kind, value: &Value, settings: &Settings) -> Option<String> {
    let one_of = |words: &[String]| match value.as_str() {
        Some(word) if words.iter().any(|known| known == word) => None,
        _ => Some(format!("{value} is not one of {words:?}")),
    };
    match kind {
        Kind::Text(max) => match value.as_str() {
            None => Some(format!("{value} is not of type 'string'")),
            Some(text) if max > 0 && text.chars().count() > max => {
                Some(format!("{value} is too long"))
            }
            Some(_) => None,
        },
        Kind::Words(words) => one_of(
            &words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>(),
        ),
        Kind::DiskFormat => one_of(&settings.disk_formats),
        Kind::ContainerFormat => one_of(&settings.container_formats),
        Kind::Uuid => {
            let fits = value
                .as_str()
                .is_some_and(|id| id.len() == 36 && uuid::Uuid::parse_str(id).is_ok());
            (!fits).then(|| format!("{value} is not a UUID"))
        }
        Kind::Flag => (!value.is_boolean()).then(|| format!("{value} is not of type 'boolean'")),
        Kind::Number => match value.as_i64() {
            None => Some(format!("{value} is not of type 'integer'")),
            // The largest value that Glance's column holds.
            Some(number) if !(0..=i64::from(i32::MAX)).contains(&number) => {
                Some(format!("{number} is negative or too large"))
            }
            Some(_) => None,
        },
        Kind::Tags => {
            let fits = value.as_array().is_some_and(|tags| {
                tags.iter()
                    .all(|tag| tag.as_str().is_some_and(|tag| tag.chars().count() <= 255))
            });
            (!fits).then(|| format!("{value} is not a list of strings of at most 255 characters"))
        }
    }
}

/// Writes a checked `value` on the image.
pub fn assign(image: &mut Image, name: &str, value: &Value) {
    let text = || value.as_str().map(str::to_owned);
    let row = &mut image.row;
    match name {
        "id" => row.id = value.as_str().unwrap_or_default().to_lowercase(),
        "name" => row.name = text(),
        "owner" => row.owner = text(),
        "disk_format" => row.disk_format = text(),
        "container_format" => row.container_format = text(),
        "visibility" => {
            if let Some(visibility) = value.as_str().and_then(Visibility::from_word) {
                row.visibility = visibility;
            }
        }
        "protected" => row.protected = value.as_bool().unwrap_or_default(),
        "os_hidden" => row.os_hidden = value.as_bool().unwrap_or_default(),
        "min_disk" => row.min_disk = value.as_i64().unwrap_or_default(),
        "min_ram" => row.min_ram = value.as_i64().unwrap_or_default(),
        "tags" => {
            let tags = value.as_array().into_iter().flatten();
            image.tags = tags
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect();
        }
        _ => {
            image
                .properties
                .insert(name.to_owned(), text().unwrap_or_default());
        }
    }
}

/// Refuses more properties or tags than allowed.
pub fn limits(image: &Image, settings: &Settings) -> Result<(), Fault> {
    for (what, count, most) in [
        (
            "image properties",
            image.properties.len(),
            settings.property_limit,
        ),
        ("image tags", image.tags.len(), settings.tag_limit),
    ] {
        if most >= 0 && count as i64 > most {
            return Err(Fault::TooLarge(format!(
                "The limit has been exceeded on the number of allowed {what}. \
                 Attempted: {count}, Maximum: {most}"
            )));
        }
    }
    Ok(())
}

/// The JSON schema of an image, as clients read it before anything else.
pub fn schema(settings: &Settings) -> Value {
    let mut properties = Map::new();
    for attribute in &ATTRIBUTES {
        properties.insert(attribute.name.to_owned(), property(attribute, settings));
    }
    let location = json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "maxLength": 255},
            "metadata": {"type": "object"},
        },
        "required": ["url", "metadata"],
    });
    properties.insert(
        "locations".to_owned(),
        json!({
            "type": "array",
            "items": location,
            "description": "A set of URLs to access the image file kept in external store",
        }),
    );
    properties.insert(
        "stores".to_owned(),
        json!({"type": "string", "readOnly": true, "description": "Store in which image data resides."}),
    );
    json!({
        "name": "image",
        "properties": properties,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

fn property(attribute: &Attribute, settings: &Settings) -> Value {
    let mut found = match attribute.kind {
        Kind::Text(0) => json!({"type": "string"}),
        Kind::Text(max) => json!({"type": "string", "maxLength": max}),
        Kind::Words(words) => json!({"type": "string", "enum": words}),
        Kind::DiskFormat => json!({"type": "string", "enum": with_null(&settings.disk_formats)}),
        Kind::ContainerFormat => {
            json!({"type": "string", "enum": with_null(&settings.container_formats)})
        }
        Kind::Uuid => json!({"type": "string", "pattern":
            "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Number => json!({"type": "integer"}),
        Kind::Tags => json!({"type": "array", "items": {"type": "string", "maxLength": 255}}),
    };
    if attribute.nullable {
        found["type"] = json!(["null", found["type"]]);
    }
    if attribute.read_only {
        found["readOnly"] = json!(true);
    }
    found["description"] = json!(attribute.about);
    found
}

fn with_null(words: &[String]) -> Vec<Value> {
    let mut all = vec![Value::Null];
    all.extend(words.iter().map(|word| json!(word)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_to_the_table() {
        let settings = Settings::default();
        let fits = |name: &str, value: Value| check(name, &value, &settings).is_ok();
        assert!(fits("name", json!(null)));
        assert!(fits("disk_format", json!("qcow2")) && !fits("disk_format", json!("exe")));
        assert!(!fits("protected", json!("true")) && !fits("min_disk", json!(-1)));
        assert!(!fits("min_ram", json!(1u64 << 40)) && !fits("visibility", json!(null)));
        assert!(fits("os_distro", json!("debian")) && !fits("os_distro", json!(7)));
        assert!(fits("tags", json!(["a"])) && !fits("tags", json!([1])));
        assert!(!fits(&"x".repeat(256), json!("v")));
    }

    #[test]
    fn the_services_own_names_cannot_be_written() {
        for name in [
            "status",
            "size",
            "self",
            "os_glance_x",
            "location",
            "deleted",
            "stores",
        ] {
            assert!(
                matches!(writable(name, true), Err(Fault::Forbidden(_))),
                "{name}"
            );
        }
        assert!(writable("id", true).is_ok() && writable("id", false).is_err());
    }
}
