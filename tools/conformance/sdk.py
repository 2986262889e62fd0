"""The acceptance walk with openstacksdk: everything a first user does, against a running cloud.

usage: sdk.py STATE_FOLDER

Uses clouds.yaml of that folder: `kilonova-admin` makes flavor, image and external network (if there is none), `kilonova`
does the rest. Fails at the first thing that is not as it should be, and removes what it made either way.
"""

import contextlib
import os
import pathlib
import sys
import time

import openstack

# The image of the walk holds no system: nobody hears the power button, and a soft reboot waits its 120 s.
PATIENCE = 240


def reaches(cloud, server, status):
    """The server, as soon as it has the status and nothing is under way."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = cloud.compute.get_server(server.id)
        if seen.status == status and not seen.task_state:
            return seen
        if seen.status == "ERROR":
            break
        time.sleep(0.1)
    raise AssertionError(f"{server.name} is {seen.status}, not {status}: {seen.fault}")


def shows(compute, server, address):
    """Waits until the server shows an address: compute hears of it from the network service, as in OpenStack."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = {entry["addr"] for entry in compute.get_server(server.id).addresses["walk"]}
        if address in seen:
            return
        time.sleep(0.1)
    raise AssertionError(f"{server.name} has {seen}, not {address}")


def external(admin):
    """A network with floating addresses."""
    for network in admin.network.networks(is_router_external=True):
        return network
    network = admin.network.create_network(name="public", is_router_external=True)
    admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="192.168.215.0/24", is_dhcp_enabled=False)
    return network


def walk(admin, demo, undo):
    """The walk; what it makes is taken back by `undo`."""
    image = admin.image.create_image("walk", data=bytes(1 << 20), disk_format="raw", container_format="bare",
                                     visibility="public", allow_duplicates=True)
    undo(admin.image.delete_image, image)
    assert demo.image.get_image(image.id).status == "active"
    flavor = admin.compute.create_flavor(name="walk", ram=96, vcpus=1, disk=1)
    undo(admin.compute.delete_flavor, flavor)

    outside = external(admin)
    network = demo.network.create_network(name="walk")
    undo(demo.network.delete_network, network)
    subnet = demo.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.99.0.0/24")
    router = demo.network.create_router(name="walk", external_gateway_info={"network_id": outside.id})
    undo(demo.network.delete_router, router)
    demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    undo(demo.network.remove_interface_from_router, router, subnet_id=subnet.id)
    group = demo.network.create_security_group(name="walk")
    undo(demo.network.delete_security_group, group)
    demo.network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="tcp",
                                            port_range_min=22, port_range_max=22)
    key = demo.compute.create_keypair(name="walk")
    undo(demo.compute.delete_keypair, key)

    server = demo.compute.create_server(name="walk", image_id=image.id, flavor_id=flavor.id, key_name=key.name,
                                        networks=[{"uuid": network.id}], security_groups=[{"name": group.name}])
    undo(demo.compute.wait_for_delete, server)
    undo(demo.compute.delete_server, server)
    reaches(demo, server, "ACTIVE")
    assert server.id in {found.id for found in demo.compute.servers()}

    compute = demo.compute
    steps = [(compute.stop_server, "SHUTOFF"), (compute.start_server, "ACTIVE"),
             (compute.reboot_server, "ACTIVE", "SOFT"), (compute.reboot_server, "ACTIVE", "HARD"),
             (compute.pause_server, "PAUSED"), (compute.unpause_server, "ACTIVE"),
             (compute.suspend_server, "SUSPENDED"), (compute.resume_server, "ACTIVE")]
    for act, status, *more in steps:
        act(server, *more)
        reaches(demo, server, status)
        print(f"{act.__name__}: {status}")
    assert "output" in compute.get_server_console_output(server)
    assert "token" in compute.create_console(server, "novnc")["url"]
    assert "token" in compute.create_console(server, "serial")["url"]
    assert len(list(compute.server_actions(server))) == len(steps) + 1

    port = next(iter(demo.network.ports(device_id=server.id)))
    address = demo.network.create_ip(floating_network_id=outside.id, port_id=port.id)
    undo(demo.network.delete_ip, address)
    shows(compute, server, address.floating_ip_address)


def main():
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(pathlib.Path(sys.argv[1]) / "clouds.yaml")
    admin, demo = openstack.connect(cloud="kilonova-admin"), openstack.connect(cloud="kilonova")
    for kind in ("identity", "compute", "image", "network"):
        found = getattr(admin, kind).get_endpoint_data()
        print(f"{kind}: {found.url} {found.min_microversion or ''} {found.max_microversion or ''}")
    with contextlib.ExitStack() as stack:
        walk(admin, demo, stack.callback)
    print("the walk is done, nothing is left")


main()
