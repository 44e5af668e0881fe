#!/usr/bin/env bash
# Static analysis: clang-tidy with its analyzer (.clang-tidy) and cppcheck. A finding fails it.
#   tools/analyse.sh               every .cpp of the tree, the CUDA sources as the simt device compiles them: hours
#   tools/analyse.sh FILE...       those alone
# Works in build-analysis. Wants clang-tidy 14 and cppcheck 2.10 or later: apt-get install clang-tidy cppcheck
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
for program in clang++ clang-tidy cppcheck; do
  if ! command -v "$program" >/dev/null; then
    echo "analyse: $program is not installed" >&2
    exit 2
  fi
done

build=build-analysis
if ! cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DVOX_ISAS=BASELINE -DVOX_CUDA=OFF -DVOX_MPI=OFF -DVOX_PCH=OFF >"$build.log" 2>&1 ||
  ! cmake --build "$build" --target vox_messages vox_commit >>"$build.log" 2>&1; then # headers that are generated
  tail -n 20 "$build.log" >&2
  exit 2
fi
rm -f "$build.log"

if [ $# -gt 0 ]; then files=("$@"); else
  mapfile -t files < <(sed -nE "s|^ *\"file\": \"$PWD/([^\"]+\.cpp)\",?$|\1|p" "$build/compile_commands.json" |
    grep -vE "^($build/(messages|report|pch|static)|tests/support/faults)/" | sort -u) # those are generated, these stand for the C library
fi

rc=0
tidy() { # CHECKS FILE...: beside those of .clang-tidy
  local checks=$1
  shift
  if [ $# -eq 0 ]; then return; fi
  printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 1 clang-tidy --quiet -p "$build" --checks="$checks" 2>/dev/null || rc=1
}
# Kernels for CUDA: indices are int, products of them are of a tile, a row or a slice (docs/trust/sizes.md), and what
# shares memory and barriers stays in one function.
mapfile -t kernels < <(printf '%s\n' "${files[@]}" | grep "^$build/")
mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep -v "^$build/")
tidy -bugprone-implicit-widening-of-multiplication-result,-readability-function-size "${kernels[@]}"
tidy '' "${sources[@]}"
# cppcheck knows neither Catch2's macros nor the vectors and lambdas of kernels.
mapfile -t product < <(printf '%s\n' "${files[@]}" | grep -E '^(data|engine|kernels/(base|plan)|model|tools)/')
if [ ${#product[@]} -gt 0 ]; then
  cppcheck --quiet --enable=warning,performance,portability --std=c++20 --language=c++ --inline-suppr -I. \
    --suppressions-list=tools/cppcheck_suppressions.txt --error-exitcode=1 -j "$(nproc)" \
    --template='{file}:{line}: {severity}: {message} [{id}]' "${product[@]}" || rc=1
fi
exit "$rc"
