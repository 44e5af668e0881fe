#!/usr/bin/env bash
# Builds the commit that is checked out twice, in two folders of different names and lengths, one after the other, and
# compares the programs bit for bit. Without ccache: it would hand the second build the objects of the first.
#   tools/reproducible.sh [PRESET [TARGET [PROGRAM]]]     release, voxgrad
# PROGRAM: one that somebody else made of that commit, in place of the first build. JOBS=N jobs at a time.
# Takes two builds' time and 2 GB below ${TMPDIR:-/tmp}. Exit 0 where both are the same.
set -euo pipefail
preset="${1:-release}"
target="${2:-voxgrad}"
given="${3:+$(realpath "$3")}"
here="$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset CMAKE_CXX_COMPILER_LAUNCHER CMAKE_C_COMPILER_LAUNCHER CMAKE_CUDA_COMPILER_LAUNCHER
sums=()
folders=(one a/folder/of/another/length)
if [ -n "$given" ]; then
  cp "$given" "$work/1.program"
  sums=("$(sha256sum <"$given" | cut -d ' ' -f 1)")
  echo "given: ${sums[0]} $(stat -c %s "$given") bytes"
  folders=(a/folder/of/another/length)
fi
for folder in "${folders[@]}"; do
  git clone -q "$here" "$work/$folder"
  (cd "$work/$folder" && cmake --preset "$preset" && cmake --build --preset "$preset" --target "$target" ${JOBS:+-j "$JOBS"}) >"$work/log" 2>&1 || {
    tail -n 20 "$work/log"
    exit 1
  }
  program="$(find "$work/$folder" -maxdepth 3 -type f -name "${target%_static}" -perm -u+x | head -n 1)"
  sums+=("$(sha256sum <"$program" | cut -d ' ' -f 1)")
  echo "$(date -u +%FT%TZ) ${sums[-1]} $(stat -c %s "$program") bytes"
  if grep -qaF "$work" "$program"; then echo "names the folder it was built in: $(strings "$program" | grep -F "$work" | head -n 1)"; fi
  mv "$program" "$work/${#sums[@]}.program"
  rm -rf "${work:?}/$folder"
done
if [ "${sums[0]}" = "${sums[1]}" ]; then
  echo "the same"
else
  echo "they differ: $(cmp -l "$work/1.program" "$work/2.program" | wc -l) bytes"
  exit 1
fi
