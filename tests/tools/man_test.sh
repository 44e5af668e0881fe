#!/usr/bin/env bash
# Manual pages: one of every verb that --help names and one of the program, which groff takes without a warning.
program="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bad=0
"$program" man -o "$work" || exit 1
verbs="$(COLUMNS=100 "$program" --help | sed -n '/^Subcommands:/,/^$/p' | awk '/^  [a-z]/ {print $1}')"
for page in voxgrad $(sed 's/^/voxgrad-/' <<<"$verbs"); do
  if ! grep -q '^\.SH OPTIONS' "$work/$page.1"; then
    echo "$page.1 is missing or has no options"
    bad=1
  fi
done
if ! "$program" man check | grep -q 'mask\\-suffix'; then
  echo "man check does not name --mask-suffix"
  bad=1
fi
if "$program" man nonsense >/dev/null 2>&1; then
  echo "man nonsense does not fail"
  bad=1
fi
if ! command -v groff >/dev/null; then
  echo "skipped: no groff here"
  exit $((bad ? 1 : 77))
fi
for page in "$work"/*.1; do
  warnings="$(groff -man -ww -Tascii -z "$page" 2>&1)"
  if [ -n "$warnings" ]; then
    echo "$page: $warnings"
    bad=1
  fi
done
if ! groff -man -Tascii -P-cbou "$work/voxgrad-check.1" | grep -q -- '--mask-suffix SUFFIX'; then
  echo "the page of check, printed, has no --mask-suffix SUFFIX"
  bad=1
fi
exit $bad
