#!/usr/bin/env bash
# Calls of the C library that fail in every verb that reads or writes files, one at a time, for good, or one behind another: no crash, the
# exit code that fits, a message that names file and cause, nothing half-written (tests/support/faults/README.md). A sample of each verb's
# calls; with --all every call with every fault: --kinds file,memory takes some twenty minutes, --kinds lasting forty-five.
. tests/support/faults/needs.sh "$1" "$2"
most=(--most 12)
if [ "${3:-}" = --all ]; then most=(--most 0 --most-memory 0 --most-lasting 0); fi
exec python3 -B tests/support/faults/judge.py --program "$program" --injector "$injector" "${most[@]}" "${@:4}"
