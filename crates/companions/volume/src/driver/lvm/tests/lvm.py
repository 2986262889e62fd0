#!/usr/bin/env python3
"""What the programs of LVM do that the driver uses, to files instead of devices."""
import argparse, json, os, subprocess, sys

program = os.path.basename(sys.argv[0])
root = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
devices = os.path.join(root, "devices", "group")
MIB = 1 << 20


def fail(why):
    print("  " + why, file=sys.stderr)
    sys.exit(5)


def flag(name):
    return os.path.join(root, name)


def device(name):
    return os.path.join(devices, name)


def tags(name):
    path = os.path.join(root, "tags." + name)
    return open(path).read().split() if os.path.exists(path) else []


def keep_tags(name, all):
    open(os.path.join(root, "tags." + name), "w").write(" ".join(all))


def attr(name, of):
    """As lvs(8) says it; a file beside the devices gives one another."""
    if os.path.exists(flag("attr." + name)):
        return open(flag("attr." + name)).read()
    return "Vwi-a-tz--" if "thin" in of else "-wi-a-----"


def group(name):
    if name != "group":
        fail('Volume group "%s" not found' % name)


def existing(path):
    of, _, name = path.partition("/")
    group(of)
    if not os.path.exists(device(name)):
        fail('Failed to find logical volume "%s"' % path)
    return name


def size_of(text):
    if not text.endswith("b"):
        fail("sizes are given in bytes here")
    size = int(text[:-1])
    # A whole number of extents.
    return -(-size // (4 * MIB)) * 4 * MIB


def free():
    thick = [n for n in os.listdir(devices) if "thin" not in tags(n)]
    return int(open(flag("room")).read()) - sum(os.path.getsize(device(n)) for n in thick)


def grow(name, size, thin):
    have = os.path.getsize(device(name)) if os.path.exists(device(name)) else 0
    if not thin and size - have > free():
        fail('Volume group "group" has insufficient free space')
    with open(device(name), "ab") as file:
        file.truncate(size)
    if not thin and os.path.exists(flag("dirty")):
        with open(device(name), "r+b") as file:
            for at in range(have, size, MIB):
                file.seek(at)
                file.write(b"x")


def new(name, size, thin):
    if os.path.exists(device(name)):
        fail('Logical Volume "%s" already exists in volume group "group"' % name)
    grow(name, size, thin)
    keep_tags(name, ["thin"] if thin else [])


args = argparse.ArgumentParser(prog=program, allow_abbrev=False)
add = args.add_argument
if program == "lvcreate":
    add("-y", action="store_true", required=True)
    add("-W"), add("-Z"), add("-k"), add("-n", required=True), add("-L"), add("-V"), add("-T")
    add("-s", action="store_true"), add("of", nargs="?")
    a = args.parse_args()
    if a.s:
        origin = existing(a.of)
        if "thin" not in tags(origin) or a.k != "n":
            fail("snapshots here are thin, and active")
        new(a.n, os.path.getsize(device(origin)), True)
        subprocess.run(["cp", "--sparse=always", device(origin), device(a.n)], check=True)
    elif a.T:
        if a.T != "group/group-pool" or a.L or a.of:
            fail("no such pool")
        new(a.n, size_of(a.V), True)
    else:
        group(a.of)
        if a.W != "n" or a.Z != "n":
            fail("what is there would be asked about")
        new(a.n, size_of(a.L), False)
elif program == "lvextend":
    add("-L", required=True), add("of")
    a = args.parse_args()
    name, size = existing(a.of), size_of(a.L)
    if size <= os.path.getsize(device(name)):
        fail("New size matches existing size")
    grow(name, size, "thin" in tags(name))
elif program == "lvremove":
    add("-f", action="store_true", required=True), add("-y", action="store_true", required=True), add("of")
    name = existing(args.parse_args().of)
    os.remove(device(name))
    os.remove(os.path.join(root, "tags." + name))
elif program == "lvrename":
    add("group"), add("before"), add("after")
    a = args.parse_args()
    group(a.group)
    existing(a.group + "/" + a.before)
    if os.path.exists(device(a.after)):
        fail('Logical volume "%s" already exists in volume group "group"' % a.after)
    if a.after.startswith("snapshot"):
        fail('Names starting "snapshot" are reserved')
    os.rename(device(a.before), device(a.after))
    os.rename(os.path.join(root, "tags." + a.before), os.path.join(root, "tags." + a.after))
elif program == "lvchange":
    add("--addtag"), add("--deltag"), add("of")
    a = args.parse_args()
    name = existing(a.of)
    keep_tags(name, [t for t in tags(name) if t != a.deltag] + ([a.addtag] if a.addtag else []))
else:
    add("--reportformat", choices=["json"], required=True), add("--units", choices=["b"], required=True)
    add("--nosuffix", action="store_true", required=True), add("-o", required=True), add("of")
    a = args.parse_args()
    group(a.of)
    room = open(flag("room")).read()
    if program == "vgs":
        kind, rows = "vg", [{"vg_name": "group", "vg_size": room, "vg_free": str(free())}]
    else:
        pool = {"lv_name": "group-pool", "lv_size": room, "lv_tags": "", "lv_attr": "twi-aotz--", "data_percent": "12.50"}
        kind, rows = "lv", [pool]
        for name in sorted(os.listdir(devices)):
            of = tags(name)
            rows.append({
                "lv_name": name,
                "lv_size": str(os.path.getsize(device(name))),
                "lv_tags": ",".join(t for t in of if t != "thin"),
                "lv_attr": attr(name, of),
                "data_percent": "0.00" if "thin" in of else "",
            })
    rows = [{column: row[column] for column in a.o.split(",")} for row in rows]
    print(json.dumps({"report": [{kind: rows}], "log": []}))
