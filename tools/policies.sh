#!/bin/bash
# Compares the default rules of all services with those of OpenStack's own packages, from PyPI.
#
#   tools/policies.sh
#
# The Python environment and oslo.policy's answers lie in a temporary folder, and go with it; nothing of the packages
# stays here. VENV names an environment to keep and use again. Ends with the test's own summary.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# One release of OpenStack, 2026.2. Neutron loads a part of oslo.service that needs more packages.
PACKAGES=(nova==34.0.0 keystone==30.0.0 glance==33.0.0 neutron==29.0.0 cinder==29.0.0 oslo.policy==6.0.1 'oslo.service[threading]')

(($# == 0)) || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
VENV=${VENV:-$work/venv}
if [ ! -x "$VENV/bin/oslopolicy-checker" ]; then
  echo "policies: installing ${PACKAGES[*]} into $VENV"
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check "${PACKAGES[@]}"
fi

people=$HERE/../testing/tests/it/policies/people.json
"$VENV/bin/python" -W ignore "$HERE/conformance/policies.py" "$people" "$work/answers.json"
export KILONOVA_TEST_POLICIES=$work/answers.json
cd "$HERE/.."
cargo test --quiet -p testing --test it -- --ignored --exact policies::rules_decide_as_those_of_the_real_services --nocapture
