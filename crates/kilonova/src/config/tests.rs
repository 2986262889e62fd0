//! Files of Nova's operators: what each option of Nova does to a start.

use std::collections::BTreeSet;

use settings::nova::{self, Fate, Group};

use super::{Config, sections};

/// Each option of a group with a section that it may stand in.
fn options(group: &Group) -> impl Iterator<Item = (String, &'static str)> {
    let sections = group.sections.iter();
    sections.flat_map(|section| {
        let section = section.replace('*', "x");
        let options = group.options.iter();
        options.map(move |option| (section.clone(), *option))
    })
}

/// Names that a section of ours takes, older ones included.
fn stated() -> BTreeSet<(String, String)> {
    let mut stated = BTreeSet::new();
    for info in sections() {
        for opt in info.options {
            stated.insert((info.name.to_owned(), opt.name.to_owned()));
            for older in opt.formerly {
                let (section, key) = older.split_once('/').unwrap_or((info.name, older));
                stated.insert((section.to_owned(), key.to_owned()));
            }
        }
    }
    stated
}

/// A value that asks for something else than those.
fn other_than(unless: &[&str]) -> &'static str {
    match unless {
        ["true"] => "false",
        ["false"] => "true",
        _ => "something/else",
    }
}

fn refusal(text: &str) -> String {
    match Config::from_text(text) {
        Ok(_) => panic!("this gives a start: {text}"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn what_is_honoured_is_stated_by_a_section_and_nothing_else_is() {
    let stated = stated();
    for group in nova::groups() {
        for (section, option) in options(group) {
            let ours = stated.contains(&(section.clone(), option.to_owned()));
            assert_eq!(ours, group.fate == Fate::Honoured, "[{section}] {option}");
        }
    }
}

#[test]
fn an_older_name_of_an_option_that_is_honoured_works() {
    let config = Config::from_text("[DEFAULT]\nquota_instances = 3\n").expect("a start");
    let instances = config.quota.0.iter().find(|(_, limit)| **limit == 3);
    assert!(instances.is_some(), "{:?}", config.quota);
}

#[test]
fn each_option_that_is_refused_ends_the_start_with_its_sentence() {
    let mut all = String::new();
    let mut sentences = Vec::new();
    for group in nova::groups() {
        let Fate::Refused { unless, why } = group.fate else {
            continue;
        };
        for (section, option) in options(group) {
            let value = other_than(unless);
            let text = format!("[{section}]\n{option} = {value}\n");
            let said = refusal(&text);
            assert!(said.starts_with("settings.conf:2: "), "{text}{said}");
            assert!(said.ends_with(&format!(": {why}")), "{text}{said}");
            assert!(said.contains(&format!("[{section}] {option} = ")), "{said}");
            all.push_str(&text);
            sentences.push(format!("[{section}] {option} = "));
            for harmless in unless {
                let text = format!("[{section}]\n{option} = {harmless}\n");
                let config = Config::from_text(&text);
                let config = config.unwrap_or_else(|error| panic!("{text}{error:#}"));
                assert_eq!(config.warnings, Vec::<String>::new(), "{text}");
            }
        }
    }
    let said = refusal(&format!("{all}[api]\nmax_limit = many\n"));
    for sentence in sentences {
        assert!(said.contains(&sentence), "{sentence}");
    }
    assert!(said.contains("max_limit = many"), "{said}");
}

#[test]
fn each_hint_is_one_warning_that_says_why_it_may_be_ignored() {
    for group in nova::groups() {
        let Fate::Hint(why) = group.fate else {
            continue;
        };
        for (section, option) in options(group) {
            let text = format!("[{section}]\n{option} = something/else\n");
            let config = Config::from_text(&text);
            let config = config.unwrap_or_else(|error| panic!("{text}{error:#}"));
            let wanted = format!("settings.conf:2: [{section}] {option}: no effect here: {why}");
            assert_eq!(config.warnings, [wanted]);
        }
    }
}

/// As installers write it for a cloud of one machine: passwords, addresses and logs of Nova's own services.
const COMMON: &str = "
[DEFAULT]
debug = True
log_dir = /var/log/nova
use_stderr = True
state_path = /var/lib/nova
my_ip = 192.0.2.10
transport_url = memory://
rpc_response_timeout = 300
osapi_compute_workers = 2
metadata_workers = 2
instance_usage_audit = False
graceful_shutdown_timeout = 5
force_config_drive = False
default_schedule_zone = nova
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
[conductor]
workers = 2
[scheduler]
workers = 2
discover_hosts_in_cells_interval = 60
max_attempts = 10
[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,SameHostFilter,DifferentHostFilter
available_filters = nova.scheduler.filters.all_filters
track_instance_changes = False
[api]
auth_strategy = keystone
[api_database]
connection = mysql+pymysql://nova:secret@192.0.2.10/nova_api
max_retries = -1
[cache]
enabled = True
backend = oslo_cache.memcache_pool
memcache_servers = 192.0.2.10:11211
[keystone_authtoken]
www_authenticate_uri = http://192.0.2.10/identity
auth_url = http://192.0.2.10/identity
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = nova
password = secret
memcached_servers = localhost:11211
cafile =
region_name = RegionOne
service_token_roles_required = True
[service_user]
send_service_user_token = True
auth_url = http://192.0.2.10/identity
username = nova
password = secret
[placement]
auth_type = password
auth_url = http://192.0.2.10/identity
username = placement
password = secret
region_name = RegionOne
[neutron]
auth_type = password
auth_url = http://192.0.2.10/identity
username = neutron
password = secret
service_metadata_proxy = True
metadata_proxy_shared_secret = secret
ovs_bridge = br-int
[glance]
cafile =
num_retries = 3
[cinder]
catalog_info = volumev3:cinderv3:internalURL
os_region_name = RegionOne
[oslo_concurrency]
lock_path = /var/lib/nova/tmp
[oslo_messaging_notifications]
driver = noop
transport_url = rabbit://openstack:secret@192.0.2.10:5672//
[oslo_messaging_rabbit]
heartbeat_in_pthread = false
rabbit_quorum_queue = true
amqp_durable_queues = true
[oslo_policy]
enforce_new_defaults = True
[oslo_middleware]
enable_proxy_headers_parsing = True
[upgrade_levels]
compute = auto
[privsep]
helper_command = sudo nova-rootwrap $rootwrap_config privsep-helper --config-file /etc/nova/nova.conf
[privsep_osbrick]
helper_command = sudo nova-rootwrap $rootwrap_config privsep-helper --config-file /etc/nova/nova.conf
[libvirt]
virt_type = qemu
live_migration_uri = qemu+ssh://stack@%s/system
inject_partition = -2
rbd_user = nova
[vnc]
enabled = True
server_listen = $my_ip
server_proxyclient_address = $my_ip
novncproxy_host = 192.0.2.10
novncproxy_port = 6080
novncproxy_base_url = http://192.0.2.10:6080/vnc_lite.html
[spice]
enabled = False
[serial_console]
enabled = False
";

#[test]
fn a_file_of_a_cloud_of_one_machine_gives_a_start_with_a_warning_a_kind() {
    let config = Config::from_text(COMMON).expect("a start");
    let warnings = &config.warnings;
    let fine = |warning: &String| {
        warning.contains(": no effect here: ")
            || warning.ends_with("is an old name of [qemu] virt_type")
    };
    assert!(warnings.iter().all(fine), "{warnings:#?}");
    // Of some hundred lines.
    assert!(warnings.len() < 45, "{warnings:#?}");
    let secret = warnings.iter().find(|warning| warning.contains("secret@"));
    assert_eq!(secret, None);
}

#[test]
fn what_an_installer_chooses_beyond_that_is_named_at_once() {
    let more = "[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver\n[libvirt]\ncpu_mode = host-model\n\
                images_type = rbd\nhw_machine_type = x86_64=q35\nswtpm_enabled = True\n[glance]\n\
                endpoint_override = http://192.0.2.10/image\n[oslo_messaging_notifications]\ndriver = messagingv2\n\
                [key_manager]\nfixed_key = bae3516cc1c0eb18b05440eba8012a4a880a2ee04d584a9c1579445e675b12defdc716ec\n";
    let said = refusal(&format!("{COMMON}{more}"));
    let lines: Vec<_> = said.lines().collect();
    for (option, why) in [
        (
            "compute_driver",
            "must be qemu (there is no libvirt) or fake",
        ),
        ("cpu_mode", "or the one of [qemu] cpu_model"),
        ("images_type", "disks of servers are qcow2 files"),
        ("hw_machine_type", "[qemu] machine_type"),
        ("swtpm_enabled", "there is no virtual TPM"),
        ("endpoint_override", "this process is the service"),
        ("driver", "no notifications are sent"),
        ("fixed_key", "nothing is encrypted"),
    ] {
        let named = format!("] {option} = ");
        let line = lines.iter().find(|line| line.contains(&named));
        let line = line.unwrap_or_else(|| panic!("{option}: {said}"));
        assert!(line.contains(why), "{line}");
    }
    assert_eq!(lines.len(), 8, "{said}");
    assert!(!said.contains("bae3516"), "{said}");
}
