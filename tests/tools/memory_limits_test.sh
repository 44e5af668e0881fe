#!/usr/bin/env bash
# Every verb within a limited address space and a control group, --limits of each (3): it does its work, or says that it does not fit
# (exit 4), or is killed by the kernel, and leaves nothing half-written; a training runs within what plan says, and within less says what it wants (tests/support/faults/README.md).
. tests/support/faults/needs.sh "$1" "$2"
exec python3 -B tests/support/faults/limits.py --program "$program" "${@:3}"
