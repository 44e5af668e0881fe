#!/usr/bin/env bash
# The help of the program and of every verb is what tests/golden/help says: a change of the interface is seen in review.
#   help_test.sh PROGRAM             compare
#   help_test.sh --update PROGRAM    write the golden files anew
cd "$(dirname "$0")/../.." || exit 1
update=no
if [ "${1:-}" = --update ]; then
  update=yes
  shift
fi
program="$1"
if [ -n "${2:-}" ] && grep -q '^VOX_BENCHMARKS:BOOL=OFF' "$2/CMakeCache.txt"; then
  echo "skipped: a build without the benchmarks, whose verb the golden files have"
  exit 77
fi
golden=tests/golden/help
library="$("$program" doctor --json | sed -nE 's/.*"CLI11": "([0-9]+\.[0-9]+).*/\1/p')"
if [ "$library" != 2.1 ]; then
  echo "skipped: CLI11 $library lays its help out otherwise than CLI11 2.1, which the golden files are from"
  exit 77
fi
fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT

help_of() { # VERB...
  COLUMNS=100 "$program" "$@" --help
}
help_of >"$fresh/voxgrad.txt"
sed -n '/^Subcommands:/,/^$/p' "$fresh/voxgrad.txt" | awk '/^  [a-z]/ {print $1}' | while read -r verb; do
  help_of "$verb" >"$fresh/$verb.txt"
done
if [ "$(find "$fresh" -name '*.txt' | wc -l)" -lt 2 ]; then
  echo "$program --help names no verbs"
  exit 1
fi
if [ "$update" = yes ]; then
  mkdir -p "$golden"
  rm -f "$golden"/*.txt
  cp "$fresh"/*.txt "$golden"
  exit 0
fi
if ! diff -ru "$golden" "$fresh"; then
  echo "The help has changed. If that is meant: bash tests/tools/help_test.sh --update $program"
  exit 1
fi
