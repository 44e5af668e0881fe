#!/usr/bin/env bash
# A loss of power at every moment of prepare, train and train --resume: every state of the disk that a file system may leave is built from the
# trace of a run and judged; from some of them (--most of each, 0: all) the run goes on to the bits of an unbroken one
# (tests/support/faults/README.md).
. tests/support/faults/needs.sh "$1" "$2"
exec python3 -B tests/support/faults/power.py --program "$program" --injector "$injector" "${@:3}"
