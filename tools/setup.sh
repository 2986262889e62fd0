#!/bin/bash
# Installs what this machine lacks. Says what and why first; says nothing when nothing is missing.
#
#   tools/setup.sh [run|build|test|clients]... [--dry-run]     default: run build
#
# A part of the table below is wanted for each purpose. Whether something is there is judged by its program or file,
# so that packages of other origin count; what is missing is installed as Debian packages (with sudo when not root).
# On another distribution, or without the right to install, it ends with the list of what to install by hand.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# purpose, Debian package, the program or file that shows that it is there, why
TABLE='
run    qemu-system-x86   qemu-system-x86_64                    runs the servers
run    qemu-utils        qemu-img                              copies and grows disks
run    qemu-system-common qemu-storage-daemon                  opens volumes that other machines serve
run    qemu-block-extra  /usr/lib/*/qemu/block-iscsi.so        drivers of iSCSI and RBD volumes
run    e2fsprogs         mke2fs                                formats disks of servers beside their root
run    dosfstools        mkfs.vfat                             formats those that are to be FAT
run    seabios           /usr/share/seabios/bios-256k.bin      firmware of servers
run    ipxe-qemu         /usr/lib/ipxe/qemu/efi-virtio.rom     firmware of network cards
run    iproute2          ip                                    shows and moves network devices
run    nftables          nft                                   security groups and address translation
run    dnsmasq-base      dnsmasq                               DHCP and names for servers
run    openssh-client    ssh                                   logging in to servers
run    curl              curl                                  asks whether the cloud is up
run    ca-certificates   /etc/ssl/certs/ca-certificates.crt    certificates of other clouds and image sites
build  gcc               cc                                    links, and compiles the C parts of libraries
build  libc6-dev         /usr/include/stdio.h                  headers for them
build  make              make                                  runs the targets of the Makefile
build  pkg-config        pkg-config                            finds libraries
test   postgresql        /usr/lib/postgresql/*/bin/postgres    tests of the second database engine
test   mariadb-server    mariadbd                              tests of the third
test   rabbitmq-server   rabbitmq-server                       tests of messages between machines
test   busybox-static    busybox                               DHCP client, ping and name look-ups of tests
test   tgt               tgtd                                  iSCSI target of tests
test   genisoimage       isoinfo                               reads config drives back
test   xfsprogs          mkfs.xfs                              formats disks with XFS
test   ntfs-3g           mkntfs                                formats disks with NTFS
test   ovmf              /usr/share/OVMF/OVMF_CODE_4M.fd       firmware of UEFI guests
test   chromium          chromium                              the console page in a browser
test   chromium-driver   chromedriver                          steers that browser
clients python3-venv     /usr/lib/python3*/ensurepip             Python environment of the OpenStack clients
clients iputils-ping     ping                                  with which Tempest asks for guests
'

purposes=() dry_run=
for word in "$@"; do
  case $word in
    run | build | test | clients) purposes+=("$word") ;;
    --dry-run) dry_run=1 ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
[ ${#purposes[@]} -gt 0 ] || purposes=(run build)

wanted() { [[ " ${purposes[*]} " == *" $1 "* ]]; }
present() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# ---- what is missing ---------------------------------------------------------------------------------------------
missing=() reasons=()
while read -r purpose package sign reason; do
  [ -n "$purpose" ] && wanted "$purpose" || continue
  if ! present "$sign"; then
    missing+=("$package")
    reasons+=("$(printf '  %-16s %s' "$package" "$reason")")
  fi
done <<<"$TABLE"
# The demo image is built from packages; its script knows what it needs. Asking dpkg is exact here, as it names packages.
if wanted run; then
  for package in $("$HERE/demo-image.sh" --host-packages); do
    [[ " ${missing[*]-} " == *" $package "* ]] && continue
    if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
      missing+=("$package")
      reasons+=("$(printf '  %-16s %s' "$package" 'builds the demo image')")
    fi
  done
fi

# ---- installing --------------------------------------------------------------------------------------------------
fail() { echo "setup: $*" >&2; exit 1; }
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
apt() {
  # Package scripts start no daemons on a machine without systemd: tests start servers of their own.
  ${as_root[@]+"${as_root[@]}"} env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=500 -o Dpkg::Use-Pty=0 "$@"
}
candidate() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" {print $2}'; }
installed() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | awk '$1 == "installed" {print $2}'; }

# All packages of QEMU must be of one version. Where some came from elsewhere (backports), newer than what the archive
# has, plain apt would remove them or give up: name the archive's version for each. A rebuild (+b3) is the same version.
qemu_of_one_version() {
  local version package have
  version=$(candidate qemu-system-x86)
  for package in qemu-utils qemu-block-extra qemu-system-common qemu-system-data qemu-system-gui; do
    have=$(installed "$package")
    [ -n "$have" ] && [ "${have%+b[0-9]*}" != "${version%+b[0-9]*}" ] || continue
    apt-cache madison "$package" | awk -v version="${version%+b[0-9]*}" -v package="$package" \
      '{base = $3; sub(/\+b[0-9]+$/, "", base)} base == version && !found {print package "=" $3; found = 1}'
  done
}

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: this machine lacks:"
  printf '%s\n' "${reasons[@]}"
  command -v apt-get >/dev/null || fail "no apt-get here: install the like of these packages by hand"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    fail "neither root nor sudo: as root, run apt-get install --no-install-recommends ${missing[*]}"
  for package in "${missing[@]}"; do
    if [ -z "$(candidate "$package")" ]; then
      echo "setup: apt's lists are missing or old: apt-get update"
      apt update -qq
      break
    fi
  done
  line=("${missing[@]}")
  if [[ " ${missing[*]} " == *" qemu-system-x86 "* ]]; then
    mapfile -t aligned < <(qemu_of_one_version)
    line+=(${aligned[@]+"${aligned[@]}"})
  fi
  if [ -n "$dry_run" ]; then
    echo "setup: would run apt-get install --no-install-recommends --allow-downgrades ${line[*]}"
    exit 0
  fi
  echo "setup: installing ${line[*]}"
  install() { apt install -y -qq --no-install-recommends --allow-downgrades "${line[@]}"; }
  # Lists that are old name files that are gone: once with new ones.
  install || { apt update -qq && install; } || fail "apt-get could not install them, see above"
fi

# ---- Rust --------------------------------------------------------------------------------------------------------
if wanted build || wanted test; then
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH=$HOME/.cargo/bin:$PATH
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$HERE/../Cargo.toml")
  how="install Rust with rustup (https://rustup.rs): curl -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy"
  command -v cargo >/dev/null || fail "cargo is missing, and Debian 12's is too old (Rust $needed is needed). $how"
  found=$(cd "$HERE/.." && cargo --version | awk '{print $2}')
  [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -1)" = "$needed" ] ||
    fail "cargo is $found, Rust $needed or newer is needed: rustup update stable. Without rustup, $how"
fi
