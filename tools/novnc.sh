#!/bin/bash
# Fetches noVNC, which draws servers' screens in the browser:
#
#   tools/novnc.sh OUT_DIR      ->  OUT_DIR/core/rfb.js and the rest
#
# The Debian package `novnc` pulls in a Python stack that we do not use, so it is only unpacked. Where it is installed,
# nothing is fetched: the cloud finds it at /usr/share/novnc.
set -euo pipefail
OUT=${1:?usage: $0 OUT_DIR}
[ -f "$OUT/core/rfb.js" ] || [ -f /usr/share/novnc/core/rfb.js ] && exit 0
echo "novnc: fetching the Debian package novnc, for consoles in the browser"
mkdir -p "$(dirname "$OUT")"
WORK=$(mktemp -d "$OUT.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
# As root, apt would change to a user that may not enter the folder; nothing is gained by that here.
(cd "$WORK" && apt-get -qq -o APT::Sandbox::User= download novnc) ||
  { echo "novnc: cannot download it: run apt-get update" >&2; exit 1; }
dpkg-deb -x "$WORK"/novnc_*.deb "$WORK/package"
rm -rf "$OUT"
mv "$WORK/package/usr/share/novnc" "$OUT"
chmod -R a+rX "$OUT"
