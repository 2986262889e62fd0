#!/bin/bash
# From a checkout to a running cloud with a first server; `make up` calls it. Whatever is there already is kept, so a
# second run only looks.
#
#   tools/up.sh               PROFILE=release|debug, STATE=var: everything of the cloud lies below STATE
#
# The cloud goes on when this script ends: STATE/kilonova.pid, STATE/kilonova.log. `make down` ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin
PROFILE=${PROFILE:-release}
STATE=${STATE:-var}
BINARY=${CARGO_TARGET_DIR:-target}/$PROFILE/kilonova
# How long a start may take: databases are made and passwords hashed at the first one.
START_TIMEOUT=60

fail() { echo "up: $*" >&2; exit 1; }

tools/setup.sh run build

# ---- the binary --------------------------------------------------------------------------------------------------
build=(cargo build -p kilonova)
[ "$PROFILE" = debug ] || build+=(--release)
if [ -x "$BINARY" ]; then build+=(--quiet); else echo "up: building the binary; the first time takes some minutes"; fi
"${build[@]}"
BINARY=$(realpath "$BINARY")

# ---- what the cloud shows and starts -----------------------------------------------------------------------------
mkdir -p "$STATE/demo"
STATE=$(realpath "$STATE")
[ -s "$STATE/demo/kilonova-demo.qcow2" ] || tools/demo-image.sh "$STATE/demo"
tools/novnc.sh "$STATE/novnc"

# Networks of servers need root. Without it and without sudo the cloud still runs, with servers that no network reaches.
as_root=()
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then as_root=(sudo); else echo "up: neither root nor sudo: servers get no network"; fi
fi
settings=("KILONOVA_STATE_PATH=$STATE")
while read -r name; do settings+=("$name=${!name}"); done < <(compgen -e | grep '^KILONOVA_' | grep -vx KILONOVA_STATE_PATH || true)
rooted() { ${as_root[@]+"${as_root[@]}"} "$@"; }

# ---- start -------------------------------------------------------------------------------------------------------
# The process that holds the state folder, if it lives; else nothing.
holder() {
  local pid
  pid=$(cat "$STATE/kilonova.lock" 2>/dev/null) || return 0
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = kilonova ] && echo "$pid"
  return 0
}
# Where the front door is: the cloud wrote that down when it started.
door() { sed -n 's#^ *auth_url: \(.*\)/identity$#\1#p' "$STATE/clouds.yaml" 2>/dev/null | head -1; }
healthy() { rooted curl -sf --unix-socket "$STATE/run/operator.sock" -o /dev/null --max-time 2 http://localhost/healthcheck; }
own() { [ ${#as_root[@]} -eq 0 ] || sudo chown "$(id -u):$(id -g)" "$STATE"/{clouds.yaml,openrc}; }

pid=$(holder)
if [ -n "$pid" ] && [ "$(rooted readlink "/proc/$pid/exe")" != "$BINARY" ]; then
  echo "up: the binary is another one: restarting the process (servers go on)"
  rooted kill -TERM "$pid"
  for _ in $(seq 600); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  [ ! -d "/proc/$pid" ] || fail "process $pid does not end; see $STATE/kilonova.log"
  pid=
fi
if [ -z "$pid" ]; then
  echo "up: starting the cloud in $STATE"
  started=$(stat -c %s "$STATE/kilonova.log" 2>/dev/null || echo 0)
  # A process of its own session: it outlives this script and its terminal.
  setsid ${as_root[@]+"${as_root[@]}"} env "${settings[@]}" "$BINARY" up </dev/null >>"$STATE/kilonova.log" 2>&1 &
  launcher=$!
  ended() { ! kill -0 "$launcher" 2>/dev/null && [ -z "$(holder)" ]; }
else
  ended() { [ ! -d "/proc/$pid" ]; }
fi
began=$SECONDS
until { [ -n "$(holder)" ] && own 2>/dev/null && healthy; }; do
  if ended; then
    tail -c "+$((${started:-0} + 1))" "$STATE/kilonova.log" | tail -15 >&2
    fail "the cloud did not start; all of its log is in $STATE/kilonova.log, and $BINARY doctor looks at this machine"
  fi
  ((SECONDS - began < START_TIMEOUT)) || fail "no good health at $STATE/run/operator.sock after $START_TIMEOUT s; see $STATE/kilonova.log"
  sleep 0.05
done
holder >"$STATE/kilonova.pid"

# ---- the first server --------------------------------------------------------------------------------------------
[ -z "${EMPTY:-}" ] || { echo "up: the cloud answers at $(door)"; exit 0; }
env "${settings[@]}" "$BINARY" demo --image "$STATE/demo/kilonova-demo.qcow2" --key "$STATE/demo_key"
