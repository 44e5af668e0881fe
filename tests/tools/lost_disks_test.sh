#!/usr/bin/env bash
# The disk under a verb is lost: that of ext4, xfs or btrfs gives nothing but errors any more, ext4 or xfs is shut down, or ext4 becomes
# read-only, before one of the verb's calls (--most of each verb, 0: before every one). It ends with the right exit code and words, and run
# again, when the disk is back, leaves what it leaves unbroken (tests/support/faults/README.md). Wants root, loop devices and e2fsprogs; FUSE,
# python3-fusepy, xfsprogs and btrfs-progs where they are to be tried, too.
. tests/support/faults/needs.sh "$1" "$2"
exec python3 -B tests/support/faults/lost_disks.py --program "$program" --injector "$injector" "${@:3}"
