#!/bin/bash
# The table of counts in docs/status.md, between its two markers: rewritten, or with --check only compared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
FILE=docs/status.md
counts=$(cargo run --quiet -p kilonova -- docs counts)
wanted=$(awk -v counts="$counts" '
  /^<!-- counts:/ {print; print counts; within = 1; next}
  /^<!-- \/counts -->/ {within = 0}
  !within' "$FILE")
if [ "${1:-}" != --check ]; then
  printf '%s\n' "$wanted" >"$FILE"
elif [ "$wanted" != "$(cat "$FILE")" ]; then
  echo "$FILE: the counts are not up to date: make docs" >&2
  exit 1
fi
