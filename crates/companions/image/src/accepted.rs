//! What becomes of what bodies say, from the table of attributes that they are checked by.

use rest::accepted::{Accepts, Fate};

use crate::attributes::{ATTRIBUTES, Attribute};

fn fate(attribute: &Attribute) -> Fate {
    match (attribute.read_only, attribute.name) {
        (true, _) => Fate::Shown,
        (false, "id") => Fate::Within("chosen when the image is made, or never"),
        _ => Fate::Honoured,
    }
}

/// Properties that are no attributes of the service, but about which it says something.
const PROPERTIES: &[(&str, Fate)] = &[
    (
        "locations",
        Fate::Within("no value: where data lies is the service's matter (403)"),
    ),
    ("stores", Fate::Shown),
    (
        "img_signature, img_signature_certificate_uuid, img_signature_hash_method, img_signature_key_type",
        Fate::Within(
            "an image that has all four takes no data (501): signatures are not verified; no server starts from one \
             that has any",
        ),
    ),
];

/// The body of an import.
const IMPORT: &[(&str, Fate)] = &[
    (
        "method.name",
        Fate::Within("glance-direct, web-download; copy-image and glance-download answer 501"),
    ),
    ("method.uri", Fate::Honoured),
    (
        "stores",
        Fate::Within("the one store that there is; others are refused with 409"),
    ),
    ("all_stores", Fate::Hint("there is one store")),
    ("all_stores_must_succeed", Fate::Hint("there is one store")),
];

const MEMBER: &[(&str, Fate)] = &[("member", Fate::Honoured), ("status", Fate::Honoured)];

/// All resources but metadata definitions, which are nothing but kept and shown.
pub fn accepted() -> Vec<Accepts> {
    let mut image: Vec<_> = ATTRIBUTES.iter().map(|one| (one.name, fate(one))).collect();
    image.extend_from_slice(PROPERTIES);
    vec![
        Accepts {
            resource: "image",
            attributes: image,
            unknown: "kept and shown as properties of users; which of them servers honour stands in \
                [accepted.md](accepted.md)",
        },
        Accepts {
            resource: "import",
            attributes: IMPORT.to_vec(),
            unknown: "not looked at, as in Glance",
        },
        Accepts {
            resource: "member",
            attributes: MEMBER.to_vec(),
            unknown: "not looked at, as in Glance",
        },
    ]
}
