#!/usr/bin/env bash
# A short soak: tests/tools/soak.sh, whose figures of a long one stand in docs/trust/endurance.md.
if grep -q 'VOX_SANITIZE:STRING=address' "$2/CMakeCache.txt"; then
  echo "skipped: AddressSanitizer keeps what was freed"
  exit 77
fi
exec bash tests/tools/soak.sh "$1" --steps 300 --predictions 100 --every 2
