use super::*;

fn refusal(key: &str, value: &str) -> String {
    check(key, value).map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn what_means_something_passes() {
    for (key, value) in [
        ("hw:cpu_policy", "dedicated"),
        ("hw:numa_cpus.0", "0-3,^2"),
        ("hw:numa_mem.12", "512"),
        ("hw:mem_page_size", "1GB"),
        ("hw:boot_menu", "Yes"),
        ("hw_rng:allowed", "True"),
        ("resources:VCPU", "2"),
        ("resources_NET-1:CUSTOM_GOLD", "1"),
        ("trait:HW_CPU_X86_AVX2", "required"),
        ("traitA:CUSTOM_SSD", "forbidden"),
        ("pci_passthrough:alias", "gpu:1,nic:2"),
        ("capabilities:hypervisor_type", "<or> QEMU"),
        ("capabilities:cpu_info:vendor", "Intel"),
        ("aggregate_instance_extra_specs:ssd", "true"),
        ("quota:cpu_quota", "-1"),
        ("group_policy", "isolate"),
        ("anything", "goes"),
        ("my:own", "too"),
    ] {
        assert_eq!(refusal(key, value), "", "{key}={value}");
    }
}

#[test]
fn what_means_nothing_is_refused_in_the_words_of_nova() {
    for (key, value, why) in [
        (
            "hw:cpu_policy",
            "sharrred",
            "Validation failed; 'sharrred' is not one of: dedicated, shared, mixed.",
        ),
        (
            "hw:numa_nodes",
            "0",
            "Validation failed; '0' is less than the min value of '1'.",
        ),
        (
            "hw:numa_nodes",
            "foo",
            "Validation failed; 'foo' is not a valid integer value.",
        ),
        (
            "hw:redirected_usb_ports",
            "16",
            "Validation failed; '16' is greater than the max value of '15'.",
        ),
        (
            "hw:boot_menu",
            "yep",
            "Validation failed; 'yep' is not a valid boolean-like value.",
        ),
        (
            "hw:numa_cpus.0",
            "a-b",
            r"Validation failed; 'a-b' is not of the format '\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*'.",
        ),
        (
            "hw:foo",
            "bar",
            "Validation failed; extra spec 'hw:foo' does not appear to be a valid extra spec.",
        ),
        (
            "resources1:GOLD",
            "1",
            "Validation failed; extra spec 'resources1:GOLD' does not appear to be a valid extra spec.",
        ),
        (
            "trait:CUSTOM_SSD",
            "wanted",
            "Validation failed; 'wanted' is not one of: required, forbidden.",
        ),
    ] {
        assert_eq!(refusal(key, value), why);
    }
}

#[test]
fn a_key_that_nova_reads_without_a_validator_cannot_be_set_and_is_refused_where_it_is() {
    assert!(
        refusal("hw:maxphysaddr_bits", "40").contains("does not appear to be a valid extra spec")
    );
    let old = BTreeMap::from([("hw:maxphysaddr_bits".to_owned(), "40".to_owned())]);
    assert!(matches!(refuse(&old), Err(Unusable::Refused(_))));
}

#[test]
fn a_spec_that_was_never_checked_is_checked_before_a_server_is_made() {
    let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let said = |name, value| refuse(&of(name, value)).map_err(|why| why.to_string());
    assert_eq!(
        said("hw:cpu_policy", "sharrred").unwrap_err(),
        "Flavor extra spec hw:cpu_policy: \"sharrred\" is invalid."
    );
    assert_eq!(
        said("hw:cpu_policy", "dedicated").unwrap_err(),
        "Flavor extra spec hw:cpu_policy=\"dedicated\" cannot be honoured: processors of guests are not pinned."
    );
    for (name, value) in [
        ("hw:cpu_policy", "shared"),
        ("hw:mem_page_size", "small"),
        ("hw:mem_encryption", "no"),
        ("quota:vif_inbound_peak", "0"),
        ("resources:CUSTOM_GOLD", "1"),
        ("hw:unheard_of", "1"),
        ("own", "x"),
    ] {
        assert_eq!(said(name, value), Ok(()), "{name}={value}");
    }
    for (name, value) in [
        ("resources1:VCPU", "1"),
        ("trait_A:CUSTOM_A", "required"),
        ("pci_passthrough:alias", "gpu:1"),
        ("quota:vif_inbound_peak", "10"),
    ] {
        assert!(said(name, value).is_err(), "{name}={value}");
    }
}
