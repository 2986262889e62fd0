#!/bin/bash
# The acceptance walk with the stock `openstack` command, against a running cloud that has an external network `public`.
#
#   tools/conformance/cli.sh STATE_FOLDER [PATH_OF_OPENSTACK]
#
# Uses clouds.yaml of that folder. Ends at the first command that fails, and removes what it made either way.
set -euo pipefail
STATE=$(realpath "${1:?usage: cli.sh STATE_FOLDER [PATH_OF_OPENSTACK]}")
OPENSTACK=${2:-$STATE/venv/bin/openstack}
export OS_CLIENT_CONFIG_FILE=$STATE/clouds.yaml PYTHONWARNINGS=ignore
name=walk-$$
scratch=$(mktemp -d)
undo=()

say() { printf '%s\n' "$*"; }
as() { local cloud=$1; shift; say "openstack --os-cloud $cloud $*" >&2; "$OPENSTACK" --os-cloud "$cloud" "$@"; }
demo() { as kilonova "$@"; }
admin() { as kilonova-admin "$@"; }
# What is made last goes first.
later() { undo=("$*" ${undo[@]+"${undo[@]}"}); }
finish() {
  local code=$? step
  for step in ${undo[@]+"${undo[@]}"}; do $step >/dev/null || code=1; done
  rm -rf "$scratch"
  [ "$code" = 0 ] && say "the walk is done, nothing is left"
  exit "$code"
}
trap finish EXIT
# The server has the status within a minute.
reaches() {
  local status
  for _ in $(seq 30); do
    status=$("$OPENSTACK" --os-cloud kilonova server show "$name" -f value -c status)
    [ "$status" != "$1" ] || return 0
  done
  say "the server is $status, not $1" >&2
  return 1
}

demo token issue -f value -c project_id
demo catalog list
truncate -s 1M "$scratch/disk"
admin image create --file "$scratch/disk" --disk-format raw --public "$name" -f value -c status
later admin image delete "$name"
demo image list --name "$name"
demo image show "$name"
admin flavor create --ram 96 --vcpus 1 --disk 1 "$name"
later admin flavor delete "$name"
demo network create "$name"
later demo network delete "$name"
demo subnet create --network "$name" --subnet-range 10.98.0.0/24 "$name"
demo router create "$name"
later demo router delete "$name"
demo router set --external-gateway public "$name"
demo router add subnet "$name" "$name"
later demo router remove subnet "$name" "$name"
demo security group create "$name"
later demo security group delete "$name"
demo security group rule create --protocol tcp --dst-port 22 "$name"
address=$(demo floating ip create public -f value -c floating_ip_address)
later demo floating ip delete "$address"
demo keypair create "$name" >"$scratch/key"
later demo keypair delete "$name"
demo server create --image "$name" --flavor "$name" --network "$name" --security-group "$name" --key-name "$name" \
  --wait "$name"
later demo server delete --wait "$name"
demo server list --name "$name"
demo server add floating ip "$name" "$address"
demo server stop "$name"
reaches SHUTOFF
demo server start "$name"
reaches ACTIVE
demo server reboot --wait "$name"
demo server reboot --hard --wait "$name"
demo server pause "$name"
reaches PAUSED
demo server unpause "$name"
reaches ACTIVE
demo server suspend "$name"
reaches SUSPENDED
demo server resume "$name"
reaches ACTIVE
demo console log show --lines 5 "$name"
demo console url show "$name" -f value -c url
demo console url show --serial "$name" -f value -c url
demo server event list "$name"
