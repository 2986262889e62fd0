#!/bin/bash
# Builds the demo guest image, a small cloud guest out of Debian packages only:
#
#   tools/demo-image.sh OUT_DIR        ->  OUT_DIR/kilonova-demo.qcow2   (and vmlinuz, initramfs for direct boot)
#
# Needs no root, no loop device, no mount. The packages are kept in OUT_DIR/debs, so a second build is offline, and
# when nothing changed the image that is there is kept. What is inside the guest lies beside this file, in demo-image/.
#
# The guest: DHCP on every card (also hot-plugged), routes and MTU from DHCP; config drive (iso9660 or vfat), else
# metadata over http; host name; ssh keys for root and `cloud`; files; user-data scripts; grows its root; login on the
# serial line and on the screen (cloud / cloud); sudo without a password; obeys the power button. BIOS (96 MiB are
# enough) and UEFI (256 MiB). Disks and CDs on virtio, SCSI and IDE; Debian's cloud kernel drives no SATA and no USB.
# It prints "=== kilonova demo guest ready ===" on the serial line when all that is done.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

# Debian packages that this script needs on the machine; the set-up script reads this array.
HOST_PACKAGES=(dosfstools e2fsprogs lz4 mtools openssl qemu-utils)
# Debian packages that are only unpacked: the guest's, and the boot loader's.
GUEST_PACKAGES=(busybox-static dosfstools dropbear-bin e2fsprogs libaudit1 libblkid1 libc6 libcap-ng0 libcom-err2
  libcrypt1 libext2fs2 libgmp10 libmount1 libpam0g libpcre2-8-0 libselinux1 libsmartcols1 libtomcrypt1 libtommath1
  libudev1 libuuid1 sudo util-linux zlib1g)
BOOT_PACKAGES=(syslinux syslinux-common syslinux-efi)
KERNEL=linux-image-cloud-amd64

# Modules, with what they need: to find the root disk, and for later.
STAGE1_MODULES=(af_packet ata_piix crc32c_generic crc32c-intel ext4 isofs nls_ascii nls_cp437 nls_iso8859-1
  nls_utf8 nvme sd_mod sr_mod vfat virtio_blk virtio_net virtio_pci virtio_scsi)
ROOT_MODULES=(8021q acpi_memhotplug button evdev overlay pvpanic qemu_fw_cfg virtio_balloon virtio_console
  virtio_input virtio-rng)
# Programs of these packages; all else is busybox.
PROGRAMS=(bin/lsblk sbin/blkid sbin/mke2fs sbin/mkfs sbin/mkfs.fat sbin/resize2fs usr/bin/dbclient usr/bin/dropbearkey
  usr/bin/sudo usr/libexec/sudo/libsudo_util.so.0 usr/libexec/sudo/sudoers.so usr/sbin/dropbear)
# Their shared libraries, by file name.
LIBRARIES=(libaudit.so.1 libblkid.so.1 libc.so.6 libcap-ng.so.0 libcom_err.so.2 libcrypt.so.1 libe2p.so.2
  libext2fs.so.2 libgmp.so.10 libmount.so.1 libpam.so.0 libpcre2-8.so.0 libselinux.so.1 libsmartcols.so.1
  libtomcrypt.so.1 libtommath.so.1 libudev.so.1 libuuid.so.1 libz.so.1)

if [ "${1:-}" = --host-packages ]; then
  echo "${HOST_PACKAGES[@]}"
  exit 0
fi
OUT=${1:?usage: $0 OUT_DIR | --host-packages}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$OUT/debs"
OUT=$(cd "$OUT" && pwd)
DEBS=$OUT/debs
CMDLINE='root=LABEL=kilonova-root rw console=tty0 console=ttyS0,115200n8 no_timer_check net.ifnames=0 quiet loglevel=4'

fail() { echo "demo-image: $*" >&2; exit 1; }
for tool in apt-get debugfs dpkg-deb lz4 mcopy mke2fs mkfs.vfat openssl qemu-img; do
  command -v $tool >/dev/null || fail "$tool is missing; install: ${HOST_PACKAGES[*]}"
done

# Nothing changed since the last build: keep the image.
recipe=$(cd "$HERE" && find demo-image.sh demo-image -type f | sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
if [ -s "$OUT/kilonova-demo.qcow2" ] && [ "$(cat "$OUT/recipe" 2>/dev/null)" = "$recipe" ]; then
  echo "demo-image: $OUT/kilonova-demo.qcow2 is up to date"
  exit 0
fi
WORK=$(mktemp -d "$OUT/build.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
started=$(date +%s%N)

# ---- packages ----------------------------------------------------------------------------------------------------
have() { compgen -G "$DEBS/$1_*.deb" >/dev/null; }
# The name without a version is a meta package: the real kernel's name is what it depends on.
kernel_package() {
  local name
  name=$(find "$DEBS" -name 'linux-image-[0-9]*-cloud-amd64_*.deb' -printf '%f\n' | sort -V | tail -1)
  if [ -n "$name" ]; then echo "${name%%_*}"; return; fi
  apt-cache depends $KERNEL 2>/dev/null | awk '$1 == "Depends:" && !found {print $2; found = 1}'
}
kernel=$(kernel_package)
[ -n "$kernel" ] || fail "apt knows no $KERNEL: run apt-get update (Debian 12, amd64)"
wanted=()
for package in "$kernel" "${GUEST_PACKAGES[@]}" "${BOOT_PACKAGES[@]}"; do have "$package" || wanted+=("$package"); done
if [ ${#wanted[@]} -gt 0 ]; then
  # As root, apt would change to a user that may not enter the folder; nothing is gained by that here.
  (cd "$DEBS" && apt-get -qq -o APT::Sandbox::User= download "${wanted[@]}") ||
    fail "cannot download ${wanted[*]}: run apt-get update"
fi
unpack() {
  local into=$1 package
  shift
  for package in "$@"; do
    # shellcheck disable=SC2012 # names of packages hold no odd characters
    dpkg-deb -x "$(ls -t "$DEBS/${package}"_*.deb | head -1)" "$into"
  done
}
unpack "$WORK/kernel" "$kernel"
unpack "$WORK/packages" "${GUEST_PACKAGES[@]}"
unpack "$WORK/boot" "${BOOT_PACKAGES[@]}"
version=$(basename "$WORK"/kernel/lib/modules/*)
busybox=$WORK/packages/bin/busybox
[ -x "$busybox" ] || busybox=$WORK/packages/usr/bin/busybox

# ---- kernel modules ----------------------------------------------------------------------------------------------
modules=$WORK/kernel/lib/modules/$version
"$busybox" depmod -b "$WORK/kernel" "$version"
# Paths of the named modules and all they depend on. A name that is built into the kernel has no file: skipped.
with_dependencies() {
  local name
  for name in "$@"; do
    awk -v name="${name//[_-]/[_-]}" 'index($0, "/") && $1 ~ "/" name "\\.ko:$" {sub(":", ""); print; exit}' \
      "$modules/modules.dep" | tr ' ' '\n'
  done | sed "s#^/*##; s#^lib/modules/$version/##" | sort -u | sed '/^$/d'
}
put_modules() {
  local into=$1/lib/modules/$version file
  with_dependencies "${@:2}" | while read -r file; do
    mkdir -p "$into/$(dirname "$file")"
    cp "$modules/$file" "$into/$file"
  done
  cp "$modules"/modules.{order,builtin,builtin.modinfo} "$into/"
  "$busybox" depmod -b "$1" "$version"
}

# ---- stage 1: the initial RAM disk -------------------------------------------------------------------------------
ram=$WORK/ram
mkdir -p "$ram"/{bin,proc,sys,dev,newroot,etc,run}
cp "$busybox" "$ram/bin/busybox"
ln -s busybox "$ram/bin/sh"
install -m 755 "$HERE/demo-image/stage1/init" "$ram/init"
put_modules "$ram" "${STAGE1_MODULES[@]}"
(cd "$ram" && find . | sort | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$WORK/initramfs.cpio"
lz4 -l -9 -q -f "$WORK/initramfs.cpio" "$WORK/initramfs"
cp "$WORK/kernel/boot/vmlinuz-$version" "$WORK/vmlinuz"

# ---- stage 2: the root file system -------------------------------------------------------------------------------
root=$WORK/root
mkdir -p "$root"/{bin,boot,dev,etc/dropbear,home/cloud/.ssh,lib64,mnt,proc,root/.ssh,run,sbin,sys,tmp,usr/bin,usr/sbin} \
  "$root"/{usr/lib/x86_64-linux-gnu,usr/libexec/sudo,var/lib/cloud,var/log,lib}
cp -R "$HERE/demo-image/root/." "$root/"
chmod 755 "$root"/etc/init.d/* "$root"/etc/acpi/PWRF/* "$root"/usr/{bin,sbin}/* \
  "$root"/usr/share/udhcpc/default.script
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list-full); do
  case $applet in linuxrc | bin/busybox) continue ;; esac
  [ -e "$root/$applet" ] && continue
  mkdir -p "$root/$(dirname "$applet")"
  ln -s /bin/busybox "$root/$applet"
done
for program in "${PROGRAMS[@]}"; do
  cp -L --remove-destination "$WORK/packages/$program" "$root/$program"
done
for kind in ext2 ext3 ext4; do ln -s mke2fs "$root/sbin/mkfs.$kind"; done
ln -s mkfs.fat "$root/sbin/mkfs.vfat"
ln -s ../usr/lib/x86_64-linux-gnu "$root/lib/x86_64-linux-gnu"
for library in "${LIBRARIES[@]}"; do
  found=$(find "$WORK/packages" -name "$library" | head -1)
  [ -n "$found" ] || fail "library $library is in none of the packages"
  cp -L "$found" "$root/usr/lib/x86_64-linux-gnu/$library"
done
cp -L "$(find "$WORK/packages" -name ld-linux-x86-64.so.2 | head -1)" "$root/lib64/"
put_modules "$root" "${STAGE1_MODULES[@]}" "${ROOT_MODULES[@]}"

hash=$(openssl passwd -6 cloud)
printf '%s\n' root:x:0:0:root:/root:/bin/sh cloud:x:1000:1000:cloud:/home/cloud:/bin/sh \
  nobody:x:65534:65534:nobody:/:/bin/false >"$root/etc/passwd"
printf '%s\n' root:x:0: cloud:x:1000: nogroup:x:65534: >"$root/etc/group"
printf '%s\n' 'root:!:19000::::::' "cloud:$hash:19000::::::" >"$root/etc/shadow"
printf '%s\n' '127.0.0.1 localhost' '::1 localhost' >"$root/etc/hosts"
printf '%s\n' NAME=kilonova-demo ID=kilonova-demo 'PRETTY_NAME="Kilonova demo guest"' >"$root/etc/os-release"
echo /bin/sh >"$root/etc/shells"
echo kilonova-demo >"$root/etc/hostname"
ln -s /proc/mounts "$root/etc/mtab"
ln -s ../run "$root/var/run"
chmod 600 "$root/etc/shadow"
chmod 700 "$root/root/.ssh" "$root/home/cloud/.ssh"
chmod 1777 "$root/tmp"
chmod 4755 "$root/bin/busybox" "$root/usr/bin/sudo"
chmod 440 "$root/etc/sudoers"

root_kb=$((($(du -sk "$root" | cut -f1) * 112 / 100 + 7168 + 1023) / 1024 * 1024))
truncate -s "${root_kb}K" "$WORK/root.img"
# A journal below 4 MB is refused; the resize area lets the file system grow to 128 GiB.
mke2fs -q -F -t ext4 -L kilonova-root -O ^metadata_csum,^64bit,resize_inode -m 0 -N 2048 -b 4096 -J size=4 \
  -E resize=33554432,root_owner=0:0,lazy_itable_init=0 -d "$root" "$WORK/root.img"
# The files belong to whoever runs this script; in the guest they belong to root, and cloud's home to cloud.
(cd "$root" && find . -mindepth 1 -printf '%P\n') | awk '{
  owner = ($0 ~ /^home\/cloud/) ? 1000 : 0
  printf "sif \"/%s\" uid %d\nsif \"/%s\" gid %d\n", $0, owner, $0, owner
}' >"$WORK/owners"
debugfs -w -f "$WORK/owners" "$WORK/root.img" >/dev/null 2>"$WORK/debugfs.log" || fail "debugfs: $(tail -3 "$WORK/debugfs.log")"

# ---- the boot partition: FAT with syslinux for BIOS and for UEFI -------------------------------------------------
export MTOOLS_SKIP_CHECK=1
boot=$WORK/boot.img
boot_kb=$(((($(stat -c%s "$WORK/vmlinuz") + $(stat -c%s "$WORK/initramfs")) / 1024 + 1536 + 1023) / 1024 * 1024))
truncate -s "${boot_kb}K" "$boot"
mkfs.vfat -n KILONOVA -F 16 -h 2048 "$boot" >/dev/null
printf '%s\n' 'DEFAULT demo' 'PROMPT 0' 'TIMEOUT 0' 'LABEL demo' '  LINUX /vmlinuz' '  INITRD /initramfs' \
  "  APPEND $CMDLINE" >"$WORK/syslinux.cfg"
loaders=$WORK/boot/usr/lib
mmd -i "$boot" ::/EFI ::/EFI/BOOT
mcopy -i "$boot" "$WORK/vmlinuz" "$WORK/initramfs" "$WORK/syslinux.cfg" ::/
mcopy -i "$boot" "$loaders/SYSLINUX.EFI/efi64/syslinux.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$boot" "$loaders/syslinux/modules/efi64/ldlinux.e64" "$WORK/syslinux.cfg" ::/EFI/BOOT/
"$WORK/boot/usr/bin/syslinux" --install "$boot"

# ---- the disk: MBR, boot partition at 1 MiB, root behind it ------------------------------------------------------
le32() { printf "\\\\x%02x\\\\x%02x\\\\x%02x\\\\x%02x" $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# status, CHS (unused: "see LBA"), type, CHS, first sector, sectors
entry() { printf '%b' "\\x$1\\xfe\\xff\\xff\\x$2\\xfe\\xff\\xff$(le32 "$3")$(le32 "$4")"; }
boot_sectors=$((boot_kb * 2))
root_sectors=$((root_kb * 2))
disk=$WORK/disk.raw
truncate -s $(((2048 + boot_sectors + root_sectors) * 512)) "$disk"
dd if="$loaders/syslinux/mbr/mbr.bin" of="$disk" bs=440 count=1 conv=notrunc status=none
{ entry 80 ef 2048 $boot_sectors; entry 00 83 $((2048 + boot_sectors)) $root_sectors; } |
  dd of="$disk" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
dd if="$boot" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$WORK/root.img" of="$disk" bs=1M seek=$(((2048 + boot_sectors) / 2048)) conv=notrunc,sparse status=none
qemu-img convert -f raw -O qcow2 "$disk" "$WORK/kilonova-demo.qcow2"

mv "$WORK/vmlinuz" "$WORK/initramfs" "$WORK/kilonova-demo.qcow2" "$OUT/"
echo "$recipe" >"$OUT/recipe"
printf 'demo-image: %s, %d MiB, kernel %s, built in %d.%d s\n' "$OUT/kilonova-demo.qcow2" \
  $(($(stat -c%s "$OUT/kilonova-demo.qcow2") >> 20)) "$version" \
  $((($(date +%s%N) - started) / 1000000000)) $((($(date +%s%N) - started) / 100000000 % 10))
