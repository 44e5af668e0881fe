#!/usr/bin/env bash
# Files that the documentation names exist, and so do the options of the commands in it.
bad=0
check_name() { # DOCUMENT NAME: relative to the root or to the document
  local name="${2%%#*}"
  if [ -z "$name" ] || [ -e "$name" ] || [ -e "$(dirname "$1")/$name" ]; then return; fi
  echo "$1: names $2, which does not exist"
  bad=1
}
check_command() { # DOCUMENT COMMAND: "voxgrad VERB ...", its options against the verb's help
  local verb option help
  verb="$(awk '{print $2}' <<<"$2")"
  help="tests/golden/help/$verb.txt"
  if [ "$verb" = bench ] || [ ! -e "$help" ]; then return; fi  # verbs of its own; or prose
  for option in $(grep -oE -- ' --?[a-z][a-z0-9-]*' <<<"$2"); do
    if ! grep -qE -- "(^ *|,)$option( |,|$)" "$help"; then
      echo "$1: voxgrad $verb has no option $option: $2"
      bad=1
    fi
  done
}
while read -r document; do
  while read -r command; do check_command "$document" "$command"; done < <(
    grep -oE 'voxgrad [a-z]+ [^`|#>)&]*' "$document"
  )
  while read -r name; do check_name "$document" "$name"; done < <(
    # links, and paths in backticks that start in a folder of this tree
    awk '/^```/ { code = !code } !code' "$document" | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(([^) ]+).*\)$/\1/' | grep -vE '^[a-z]+:'
    # shellcheck disable=SC2016
    grep -oE '`(kernels|engine|model|data|tools|tests|benchmarks|docs)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]`' "$document" | tr -d '`'
  )
done < <(find . -name '*.md' -not -path './build*' -not -path './.git/*' -not -path './demo/*')
exit $bad
