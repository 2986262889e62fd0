//! `ImagePropertiesFilter`: the hypervisor must run the image's architecture, kind and mode.

use compute_model::image_properties;
use compute_model::version_predicate::VersionPredicate;

use super::Question;
use crate::Host;

/// Other spellings of the same architecture.
const ALIASES: &[(&str, &str)] = &[
    ("amd64", "x86_64"),
    ("x64", "x86_64"),
    ("i386", "i686"),
    ("arm64", "aarch64"),
];

/// The three properties must be found together in one kind of guest that the host supports, and the version of its
/// hypervisor must be one that the image takes.
pub fn supported(host: &Host, question: &Question) -> Result<(), String> {
    let Some(image) = &question.request.image else {
        return Ok(());
    };
    let property = |name| image_properties::value(&image.properties, name);
    if let Some(demand) = property("img_hv_requested_version") {
        let version = host.node.facts.hypervisor_version;
        let predicate: Result<VersionPredicate, _> = demand.parse();
        if !predicate.is_ok_and(|predicate| predicate.is_satisfied_by(version)) {
            return Err(format!("its hypervisor is not {demand}"));
        }
    }
    let wanted = [
        property("hw_architecture").map(canonical).or_else(|| {
            let default = &question.settings.image_properties_default_architecture;
            default.as_deref().map(canonical)
        }),
        property("img_hv_type").map(canonical),
        property("hw_vm_mode").map(canonical),
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
