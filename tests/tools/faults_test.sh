#!/usr/bin/env bash
# Calls of the C library that fail in every verb that reads or writes files, one at a time: no crash, the exit code that fits, a message
# that names file and cause, nothing half-written (tests/support/faults/README.md). A sample of each verb's calls; with --all every call with
# every fault, some ten minutes.
program="$(realpath "$1")"
library="$2/libvox_faults.so"
if [ ! -e "$library" ]; then
  echo "skipped: $library is not built (with sanitizers it is not)"
  exit 77
fi
if ! command -v python3 >/dev/null; then
  echo "skipped: no python3"
  exit 77
fi
most=(--most 12)
if [ "${3:-}" = --all ]; then most=(--most 0); fi
exec python3 -B tests/support/faults/judge.py --program "$program" --library "$(realpath "$library")" "${most[@]}" "${@:4}"
