//! `ImagePropertiesFilter`: the hypervisor must run the image's architecture, kind and mode.

use super::Question;
use crate::Host;

/// Other spellings of the same architecture.
const ALIASES: &[(&str, &str)] = &[
    ("amd64", "x86_64"),
    ("x64", "x86_64"),
    ("i386", "i686"),
    ("arm64", "aarch64"),
];

/// The three properties must be found together in one kind of guest that the host supports.
pub fn supported(host: &Host, question: &Question) -> Result<(), String> {
    let Some(image) = &question.request.image else {
        return Ok(());
    };
    let property = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| image.properties.get(*name));
        found.map(|value| canonical(value))
    };
    let wanted = [
        property(["hw_architecture", "architecture"]).or_else(|| {
            let default = &question.settings.image_properties_default_architecture;
            default.as_deref().map(canonical)
        }),
        property(["img_hv_type", "hypervisor_type"]),
        property(["hw_vm_mode", "vm_mode"]),
    ];
    if wanted.iter().all(Option::is_none) {
        return Ok(());
    }
    let fits = host.node.facts.supported.iter().any(|kind| {
        kind.iter().zip(&wanted).all(|(has, wanted)| {
            wanted
                .as_ref()
                .is_none_or(|wanted| canonical(has) == *wanted)
        })
    });
    match fits {
        true => Ok(()),
        false => {
            let wanted: Vec<String> = wanted.into_iter().flatten().collect();
            Err(format!("{} is not supported", wanted.join(" ")))
        }
    }
}

fn canonical(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    // Nova stores kvm as qemu: a guest of one runs under the other.
    if word == "kvm" {
        return "qemu".to_owned();
    }
    let alias = ALIASES.iter().find(|(other, _)| *other == word);
    alias.map_or(word.clone(), |(_, name)| (*name).to_owned())
}
