"""Writes tempest.conf for the cloud `kilonova-admin` of clouds.yaml.

usage: configure.py TEMPEST_CONF STATE_FOLDER [SECTION.OPTION=VALUE ...]

By default no test logs in to a guest; validation.run_validation=true has them do so, which wants guests that run and
networks that reach them.

What a test needs and the cloud lacks is made: two flavors, two images. What is not built in Kilonova is switched off,
so that its tests skip instead of failing; docs/status.md says what that is.
"""

import configparser
import pathlib
import sys

import openstack

# Names in [compute-feature-enabled]. An action that gets built moves to the first line.
BUILT = """config_drive console_output disk_config enable_instance_password metadata_service pause
    suspend vnc_console serial_console hostname_fqdn_sanitization interface_attach personality rescue resize shelve
    snapshot stable_rescue"""
NOT_BUILT = """attach_encrypted_volume change_password cold_migration live_migration spice_console swap_volume
    volume_backed_live_migration volume_multiattach"""
# Every server of the tests has a config drive: files of `personality` come to the guest by it only. A CD, not a virtio
# disk, since tests take the first volume for vdb.
DRIVE = {"img_config_drive": "mandatory", "hw_cdrom_bus": "ide"}


def flavor(cloud, name, ram):
    """The flavor of that name; the demo guest boots with 96 MiB."""
    found = cloud.compute.find_flavor(name)
    return (found or cloud.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=1)).id


def image(cloud, name, file):
    """The active image of that name."""
    found = next(iter(cloud.image.images(name=name, status="active")), None)
    if found is None:
        found = cloud.image.create_image(
            name, filename=str(file), disk_format="qcow2", container_format="bare",
            visibility="public", wait=True, allow_duplicates=True, **DRIVE)
    return found.id


def volume(cloud):
    """Sections for the volume service, when the cloud has one."""
    endpoint = cloud.session.get_endpoint_data(
        service_type="block-storage", interface="public", discover_versions=True)
    if endpoint is None:
        return {}
    pool = next(iter(cloud.block_storage.backend_pools()), None)
    capabilities = pool.capabilities if pool else {}
    binaries = {service.binary for service in cloud.block_storage.services()}
    return {
        "volume": {
            "max_microversion": ".".join(map(str, endpoint.max_microversion)),
            "storage_protocol": capabilities.get("storage_protocol", "iSCSI"),
            "vendor_name": capabilities.get("vendor_name", "Open Source"),
        },
        "volume-feature-enabled": {
            "backup": str("cinder-backup" in binaries).lower(),
            "extend_attached_volume": "true",
            "manage_snapshot": "false",
            "manage_volume": "false",
            "multi_backend": "false",
        },
    }


def sections(cloud, state):
    """Everything that Tempest has to know, section by section."""
    auth = cloud.config.config["auth"]
    disk = state / "demo" / "kilonova-demo.qcow2"
    images = [image(cloud, name, disk) for name in ("conformance", "conformance-alt")]
    flavors = [flavor(cloud, "conformance.1", 96), flavor(cloud, "conformance.2", 128)]
    endpoint = cloud.session.get_endpoint_data(service_type="compute", interface="public", discover_versions=True)
    volumes = volume(cloud)
    public = next(iter(cloud.network.networks(is_router_external=True)), None)
    extensions = [extension.alias for extension in cloud.network.extensions()]
    roles = {role.name for role in cloud.identity.roles()}
    features = {name: "true" for name in BUILT.split()} | {name: "false" for name in NOT_BUILT.split()}
    return {
        "auth": {
            "admin_username": auth["username"],
            "admin_password": auth["password"],
            "admin_project_name": auth["project_name"],
            "admin_domain_name": "Default",
            "use_dynamic_credentials": "true",
            "create_isolated_networks": "true",
        },
        "identity": {"auth_version": "v3", "uri_v3": auth["auth_url"].rstrip("/") + "/v3", "v3_endpoint_type": "public"},
        "service_available": {"nova": "true", "glance": "true", "neutron": "true",
                              "cinder": str(bool(volumes)).lower(), "swift": "false", "horizon": "false"},
        "compute": {
            "image_ref": images[0],
            "image_ref_alt": images[1],
            "flavor_ref": flavors[0],
            "flavor_ref_alt": flavors[1],
            "min_compute_nodes": "1",
            "max_microversion": ".".join(map(str, endpoint.max_microversion)),
        },
        "compute-feature-enabled": features | {
            "scheduler_enabled_filters": "all",
            "nova_policy_roles": ",".join(sorted(roles & {"admin", "manager", "member", "reader", "service"})),
        },
        "image": {"disk_formats": "raw,qcow2,vmdk,vdi,vhd,vhdx,iso,ami,ari,aki", "container_formats": "bare,ami,ari,aki"},
        "image-feature-enabled": {"import_image": "true"},
        "network": {
            "public_network_id": public.id if public else "",
            "floating_network_name": public.name if public else "",
            "project_network_cidr": "10.100.0.0/16",
            "project_network_mask_bits": "28",
        },
        "network-feature-enabled": {
            "api_extensions": ",".join(extensions),
            "floating_ips": str(public is not None).lower(),
            "ipv6": "true",
            "ipv6_subnet_attributes": "true",
            "port_security": str("port-security" in extensions).lower(),
        },
        "validation": {"run_validation": "false", "image_ssh_user": "cloud", "image_alt_ssh_user": "cloud",
                       "connect_method": "floating"},
        "scenario": {"img_file": str(disk), "img_disk_format": "qcow2"},
    } | volumes


def main():
    path, state = sys.argv[1], pathlib.Path(sys.argv[2])
    cloud = openstack.connect(cloud="kilonova-admin")
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(path)
    wanted = sections(cloud, state)
    for option in sys.argv[3:]:
        name, _, value = option.partition("=")
        section, _, key = name.partition(".")
        wanted.setdefault(section, {})[key] = value
    for section, options in wanted.items():
        if not parser.has_section(section):
            parser.add_section(section)
        for key, value in options.items():
            parser.set(section, key, value)
    with open(path, "w", encoding="utf-8") as file:
        parser.write(file)


if __name__ == "__main__":
    main()
