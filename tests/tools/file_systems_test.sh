#!/usr/bin/env bash
# A loss of power under ext4, xfs and btrfs: prepare, train and train --resume work on a disk that writes down all it is given; as it may be
# at some moments (--most of each run beside its end, 0: at every one) the kernel mounts it, and the run goes on to the bits of an unbroken
# one (tests/support/faults/README.md). Wants root, FUSE, loop devices, python3-fusepy, xfsprogs and btrfs-progs.
. tests/support/faults/needs.sh "$1" "$2"
most=()
if [ $# -eq 2 ]; then most=(--most 2); fi
exec python3 -B tests/support/faults/file_systems.py --program "$program" --injector "$injector" "${most[@]}" "${@:3}"
