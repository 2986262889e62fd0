#!/bin/bash
# Runs Tempest, OpenStack's own test suite, against a running cloud; unmodified, from PyPI.
#
#   tools/conformance.sh [-r REGEX] [-x REGEX] [-w WORKERS] [--ssh] [--list] [-o SECTION.OPTION=VALUE]... [--install]
#
# Default: the smoke tests of compute, identity, image and network. --ssh has tests log in to their guests: for a cloud
# on QEMU whose networks this machine reaches, as that of `make up` is for root. STATE (default var) is the cloud's
# folder: its clouds.yaml says where the cloud is; the Python environment goes to STATE/venv (--install makes it and
# stops), results to STATE/conformance. Ends with the runner's own summary, and fails when a test failed.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STATE=$(realpath -m "${STATE:-$HERE/../var}")
VENV=${VENV:-$STATE/venv}
PACKAGES=(tempest==47.0.0 python-openstackclient==10.5.0)
# Object storage is not built; tests that need it skip by themselves.
regex='^tempest\.api\.(compute|identity|image|network)\..*\[.*\bsmoke\b.*\]'
exclude='' workers=2 list='' ssh=() options=()
fail() { echo "conformance: $*" >&2; exit 1; }

install=
while (($#)); do
  case $1 in
    -r) regex=$2; shift ;;
    -x) exclude=$2; shift ;;
    -w) workers=$2; shift ;;
    -o) options+=("$2"); shift ;;
    --ssh) ssh=(validation.run_validation=true) ;;
    --list) list=1 ;;
    --install) install=1 ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

if [ ! -x "$VENV/bin/tempest" ]; then
  echo "conformance: installing ${PACKAGES[*]} into $VENV"
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check "${PACKAGES[@]}"
fi
[ -z "$install" ] || exit 0
[ -z "${ssh[*]-}" ] || command -v ping >/dev/null || fail "ping is missing: tools/setup.sh clients installs it"

export OS_CLIENT_CONFIG_FILE=$STATE/clouds.yaml PYTHONWARNINGS=ignore
[ -r "$OS_CLIENT_CONFIG_FILE" ] || fail "cannot read $OS_CLIENT_CONFIG_FILE: make up starts a cloud"
work=$STATE/conformance
# Tempest keeps a list of workspaces in the home directory; ours stays here.
export HOME=$work/home
mkdir -p "$HOME"
[ -f "$work/run/.stestr.conf" ] || "$VENV/bin/tempest" init --name kilonova "$work/run" >/dev/null 2>&1
"$VENV/bin/python" "$HERE/conformance/configure.py" "$work/run/etc/tempest.conf" "$STATE" \
  ${ssh[@]+"${ssh[@]}"} ${options[@]+"${options[@]}"}

cd "$work/run"
arguments=(--regex "$regex")
[ -z "$exclude" ] || arguments+=(--exclude-regex "$exclude")
if [ -n "$list" ]; then
  exec "$VENV/bin/tempest" run "${arguments[@]}" --list-tests
fi
exec "$VENV/bin/tempest" run "${arguments[@]}" --concurrency "$workers"
