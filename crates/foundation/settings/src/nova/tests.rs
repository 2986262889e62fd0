use super::*;
use crate::Settings;

fn settings(text: &str) -> Settings {
    Settings::from_text(text, &[]).expect("an INI file")
}

#[test]
fn an_option_is_in_one_group_at_most() {
    let mut seen = std::collections::BTreeSet::new();
    for group in groups() {
        for section in group.sections {
            for option in group.options {
                assert!(seen.insert((section, option)), "[{section}] {option}");
            }
        }
    }
}

#[test]
fn older_names_lead_to_options_that_are_there_and_are_none_themselves() {
    for (old, new) in former() {
        let (section, key) = new.split_once('/').expect("section and name");
        assert!(fate(section, key).is_some(), "{new}");
        let (section, key) = old.split_once('/').expect("section and name");
        assert!(!groups().any(|group| group.has(section, key)), "{old}");
    }
}

#[test]
fn a_value_that_describes_what_is_done_is_taken_in_any_spelling() {
    let fate = |unless| Fate::Refused { unless, why: "why" };
    for (unless, taken, refused) in [
        (FALSE, ["False", " off ", "0", ""], ["yes", "1", "perhaps"]),
        (TRUE, ["True", "YES", "1", ""], ["false", "0", "perhaps"]),
        (&["0", "-1"], ["0", "0.0", "-1", ""], ["1", "-2", "x"]),
        (&["a, b"], ["a,b", "A, B", " a ,b ", ""], ["a", "b,a", "x"]),
    ] {
        for value in taken {
            assert_eq!(fate(unless).refusal(value), None, "{unless:?} {value}");
        }
        for value in refused {
            assert!(fate(unless).refusal(value).is_some(), "{unless:?} {value}");
        }
    }
    assert_eq!(fate(&[]).refusal("x"), Some("why"));
}

#[test]
fn a_refused_option_is_named_with_its_place_its_value_and_why_and_secrets_are_not_shown() {
    let text = "[glance]\nverify_glance_signatures = True\nenable_certificate_validation = false\n[vnc]\n\
                auth_schemes = vencrypt\n[key_manager]\nfixed_key = 0123\n";
    assert_eq!(
        settings(text).refusals(),
        [
            "settings.conf:2: [glance] verify_glance_signatures = True: signatures of images are not verified",
            "settings.conf:5: [vnc] auth_schemes = vencrypt: screens are reached by sockets of the host, without VeNCrypt",
            "settings.conf:7: [key_manager] fixed_key = ***: no keys are asked for: nothing is encrypted",
        ]
    );
}

#[test]
fn what_counts_is_where_an_option_is_set_last_and_each_value_of_a_repeatable_one() {
    let refused = |text: &str| settings(text).refusals().len();
    let swtpm = "[libvirt]\nswtpm_enabled = true\n";
    assert_eq!(refused(swtpm), 1);
    assert_eq!(refused(&format!("{swtpm}swtpm_enabled = false\n")), 0);
    let notify = "[oslo_messaging_notifications]\n";
    let driver = "driver = messagingv2\n";
    assert_eq!(refused(&format!("{notify}{driver}driver = noop\n")), 1);
    assert_eq!(refused(&format!("{notify}{driver}{driver}")), 2);
}

#[test]
fn older_names_hyphens_and_references_change_nothing() {
    let refused = |text: &str| settings(text).refusals().len();
    assert_eq!(refused("[DEFAULT]\npci_alias = {}\n"), 1);
    assert_eq!(refused("[pci]\npassthrough_whitelist = {}\n"), 1);
    assert_eq!(refused("[libvirt]\nimages-type = rbd\n"), 1);
    assert_eq!(refused("[neutron_physnet_left]\nnuma_nodes = 0\n"), 1);
    let at = |path: &str| {
        refused(&format!(
            "[DEFAULT]\nstate_path = /srv\ninstances_path = {path}\n"
        ))
    };
    assert_eq!(at("$state_path/instances"), 0);
    assert_eq!(at("/mnt/disks"), 1);
}
