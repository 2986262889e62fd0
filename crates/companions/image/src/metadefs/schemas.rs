//! The JSON schemas of the metadata definitions: requests are read by them, and clients read them at
//! `/v2/schemas/metadefs/…`. They say what Glance's say; that names are not empty they say in addition, since nothing
//! could be found by an empty one.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// A body of a namespace.
pub static NAMESPACE: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = closed("namespace", namespace_fields(), &["namespace"]);
    schema["definitions"] = definitions(false);
    schema
});

/// A body of an object.
pub static OBJECT: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = closed("object", object_fields(), &["name"]);
    schema["definitions"] = definitions(false);
    schema
});

/// A body of a property that says its name.
pub static PROPERTY: LazyLock<Value> = LazyLock::new(|| property(&["type", "title", "name"]));

/// A property under its name in a collection.
pub static NAMED_PROPERTY: LazyLock<Value> = LazyLock::new(|| property(&["type", "title"]));

/// A body of an association of a type of resources.
pub static ASSOCIATION: LazyLock<Value> =
    LazyLock::new(|| closed("resource_type_association", association_fields(), &["name"]));

/// A body of a tag.
pub static TAG: LazyLock<Value> = LazyLock::new(|| {
    let fields = json!({
        "name": name(),
        "created_at": moment("Date and time of tag creation"),
        "updated_at": moment("Date and time of the last tag modification"),
    });
    closed("tag", fields, &["name"])
});

/// A body of many tags; not published.
pub static TAGS: LazyLock<Value> = LazyLock::new(|| {
    let item = json!({
        "type": "object",
        "properties": {"name": name()},
        "required": ["name"],
        "additionalProperties": false,
    });
    closed(
        "tags",
        json!({"tags": {"type": "array", "items": item}}),
        &["tags"],
    )
});

/// The published schema of this name.
pub fn published(name: &str) -> Option<Value> {
    Some(match name {
        "namespace" => NAMESPACE.clone(),
        "namespaces" => collection(name, "array", "items", &NAMESPACE),
        "object" => OBJECT.clone(),
        "objects" => collection(name, "array", "items", &OBJECT),
        "property" => PROPERTY.clone(),
        "properties" => collection(name, "object", "additionalProperties", &NAMED_PROPERTY),
        "resource_type" => ASSOCIATION.clone(),
        "resource_types" => {
            collection("resource_type_associations", "array", "items", &ASSOCIATION)
        }
        "tag" => TAG.clone(),
        "tags" => collection(name, "array", "items", &TAG),
        _ => return None,
    })
}

/// Many of `item`; `kind` and `each` say how they stand together. Definitions stand outside.
fn collection(name: &str, kind: &str, each: &str, item: &Value) -> Value {
    let mut item = item.clone();
    let definitions = item
        .as_object_mut()
        .and_then(|item| item.remove("definitions"));
    let mut schema = json!({
        "name": name,
        "properties": {
            name: {"type": kind, each: item},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    });
    if let Some(definitions) = definitions {
        schema["definitions"] = definitions;
    }
    schema
}

fn closed(name: &str, fields: Value, required: &[&str]) -> Value {
    json!({
        "name": name,
        "properties": fields,
        "additionalProperties": false,
        "required": required,
    })
}

fn property(required: &[&str]) -> Value {
    let mut schema = closed("property", property_fields(), required);
    schema["definitions"] = definitions(true);
    schema
}

/// A name by which a thing is found: of 80 characters at most.
fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 80})
}

fn text(about: &str, most: u32) -> Value {
    json!({"type": "string", "description": about, "maxLength": most})
}

fn moment(about: &str) -> Value {
    json!({"type": "string", "readOnly": true, "description": about, "format": "date-time"})
}

fn link() -> Value {
    json!({"type": "string", "readOnly": true})
}

/// What several schemas refer to; only a schema of properties wants lists of names not to be empty.
fn definitions(of_property: bool) -> Value {
    let mut names = json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true});
    if of_property {
        names["minItems"] = json!(1);
    }
    let mut all = json!({
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {
            "allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}],
        },
        "stringArray": names,
    });
    if !of_property {
        all["property"] = json!({
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["title", "type"],
                "properties": property_fields(),
            },
        });
    }
    all
}

fn property_fields() -> Value {
    let kind = json!({
        "type": "string",
        "enum": ["array", "boolean", "integer", "number", "object", "string", null],
    });
    let number = || json!({"$ref": "#/definitions/positiveInteger"});
    let number_or_0 = || json!({"$ref": "#/definitions/positiveIntegerDefault0"});
    json!({
        "name": name(),
        "title": {"type": "string"},
        "description": {"type": "string"},
        "operators": {"type": "array", "items": {"type": "string"}},
        "type": kind,
        "required": {"$ref": "#/definitions/stringArray"},
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "maxLength": number(),
        "minLength": number_or_0(),
        "pattern": {"type": "string", "format": "regex"},
        "enum": {"type": "array"},
        "readonly": {"type": "boolean"},
        "default": {},
        "items": {"type": "object", "properties": {"type": kind, "enum": {"type": "array"}}},
        "maxItems": number(),
        "minItems": number_or_0(),
        "uniqueItems": {"type": "boolean", "default": false},
        "additionalItems": {"type": "boolean"},
    })
}

fn object_fields() -> Value {
    json!({
        "name": name(),
        "description": {"type": "string"},
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
        "schema": link(),
        "self": link(),
        "created_at": moment("Date and time of object creation"),
        "updated_at": moment("Date and time of the last object modification"),
    })
}

fn association_fields() -> Value {
    let mut named = name();
    named["description"] =
        json!("The type of resource, by the name that Heat has for it where it has one");
    json!({
        "name": named,
        "prefix": text(
            "What stands before the name of each property of the namespace on a resource of this type, \
             its separator (a colon, say) included",
            80,
        ),
        "properties_target": text(
            "Which of several sets of metadata of such a resource the properties go to: \
             a volume has one of its own and one of its image",
            80,
        ),
        "created_at": moment("Date and time of resource type association"),
        "updated_at": moment("Date and time of the last resource type association modification"),
    })
}

fn namespace_fields() -> Value {
    let mut named = name();
    named["description"] = json!("The unique namespace text.");
    let part =
        |fields: Value| json!({"type": "array", "items": {"type": "object", "properties": fields}});
    let word = json!({"type": "string"});
    json!({
        "namespace": named,
        "display_name": text("The name of the namespace that people are shown.", 80),
        "description": text("What the namespace is for.", 500),
        "visibility": {
            "type": "string",
            "description": "Scope of namespace accessibility.",
            "enum": ["public", "private"],
        },
        "protected": {
            "type": "boolean",
            "description": "If true, namespace will not be deletable.",
        },
        "owner": text("Owner of the namespace.", 255),
        "created_at": moment("Date and time of namespace creation"),
        "updated_at": moment("Date and time of the last namespace modification"),
        "schema": link(),
        "self": link(),
        "resource_type_associations": part(json!({
            "name": word, "prefix": word, "properties_target": word,
        })),
        "properties": {"$ref": "#/definitions/property"},
        "objects": part(json!({
            "name": word,
            "description": word,
            "required": {"$ref": "#/definitions/stringArray"},
            "properties": {"$ref": "#/definitions/property"},
        })),
        "tags": part(json!({"name": word})),
    })
}
