//! The operator's reference, made from the tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::{Kind, Opt, SectionInfo};

/// What all owners of one section state.
#[derive(Default)]
struct Merged {
    about: Vec<&'static str>,
    options: Vec<&'static Opt>,
}

/// Every option of `sections` as Markdown, `[DEFAULT]` first, then by name.
pub fn reference(sections: &[SectionInfo]) -> String {
    let mut merged: BTreeMap<(bool, &str), Merged> = BTreeMap::new();
    for info in sections {
        let Merged { about, options } = merged
            .entry((info.name != "DEFAULT", info.name))
            .or_default();
        about.extend((!info.about.is_empty()).then_some(info.about));
        options.extend(info.options);
    }
    let mut text = String::from(
        "# Settings\n\n\
         Made from the tables in the code; change it there. Every option also has an environment\n\
         variable, which wins: `KILONOVA_<SECTION>_<KEY>`, or `KILONOVA_<KEY>` for `[DEFAULT]`.\n",
    );
    for ((_, name), Merged { about, mut options }) in merged {
        let _ = write!(text, "\n## [{name}]\n\n");
        if !about.is_empty() {
            let _ = write!(text, "{}\n\n", about.join(" "));
        }
        text.push_str(HEAD);
        options.sort_by_key(|opt| opt.name);
        options.iter().for_each(|opt| row(&mut text, name, opt));
        let named = sections.iter().filter(|info| info.name == name);
        for named in named.filter_map(|info| info.named) {
            let _ = write!(
                text,
                "\n### [NAME] of each NAME in `[{name}] {}`\n\n{}\n\n",
                named.by, named.about
            );
            text.push_str(HEAD);
            let options = named.options.iter();
            options.for_each(|opt| row(&mut text, "NAME", opt));
        }
    }
    text
}

const HEAD: &str = "| option | value | default | meaning |\n|---|---|---|---|\n";

fn row(text: &mut String, section: &str, opt: &Opt) {
    let default = match opt.default {
        "" => "-".to_owned(),
        _ if opt.secret => "***".to_owned(),
        default => format!("`{}`", cell(default)),
    };
    let mut value = match opt.kind {
        Kind::Multi => "a text; repeatable".to_owned(),
        kind => kind.allowed(),
    };
    if opt.secret {
        value.push_str("; secret, or `file:` and the path of a file that holds it");
    }
    let mut doc = cell(opt.doc);
    for (former, key) in opt.former_names(section) {
        let _ = write!(doc, " Formerly `[{former}] {key}`.");
    }
    let _ = writeln!(
        text,
        "| `{}` | {} | {default} | {doc} |",
        opt.name,
        cell(&value)
    );
}

/// A bar or a line break would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
