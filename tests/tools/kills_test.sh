#!/usr/bin/env bash
# SIGKILL at random moments of prepare, train, predict, evaluate, report and convert, --kills of them (7): what is there afterwards is whole,
# and the verb, run again, leaves the bits of an unbroken run (tests/support/faults/README.md).
. tests/support/faults/needs.sh "$1" "$2"
exec python3 -B tests/support/faults/kills.py --program "$program" --injector "$injector" "${@:3}"
