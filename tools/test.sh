#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: in a Release build of g++, for CUDA where nvcc is found; in
# builds of clang under AddressSanitizer with UBSan, and the threaded parts under ThreadSanitizer. Warnings are errors.
# Checks the format. Where g++-aarch64-linux-gnu and qemu-user are installed, compares this machine with a 64-bit ARM one.
# The Release build runs the CUDA kernels on the CPU: as they are, with every access checked, and as nvcc's PTX.
#   tools/test.sh            everything
#   tools/test.sh --quick    the Release build and its tests alone
# A part that fails does not stop the next; the exit code is 0 only if all of them passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
quick="${1:-}"
jobs="$(nproc)"
logs=build/test-logs
mkdir -p "$logs"
passed=0
failed=0
skipped=0
failures=()
summary=()

if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache; fi
export CCACHE_SLOPPINESS=pch_defines,time_macros # it keeps objects of precompiled headers, too

part() { # NAME COMMAND...: runs a part of the tests, keeps its log, shows its end when it fails
  local name="$1" start=$SECONDS rc=0
  shift
  echo "== $name"
  "$@" >"$logs/$name.log" 2>&1 || rc=$?
  if [ "$rc" -eq 77 ]; then
    summary+=("$(printf '%-16s %s' "$name" "$(tail -n 1 "$logs/$name.log")")")
    return
  fi
  if [ "$rc" -ne 0 ]; then
    # What each test that failed said, then the end of it all.
    awk '/\*\*\*(Failed|Timeout|Exception)/ { said = 60 } / Test +#[0-9]+: / && !/\*\*\*(Failed|Timeout|Exception)/ { said = 0 } said-- > 0' "$logs/$name.log"
    tail -n 40 "$logs/$name.log"
    failures+=("$name: $logs/$name.log")
  fi
  summary+=("$(printf '%-16s %-6s %5d s' "$name" "$([ "$rc" -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - start)))")
  return "$rc"
}

build() { # PRESET CMAKE_ARGUMENT...: its folder and flags stand in CMakePresets.json
  cmake --preset "$@" && cmake --build --preset "$1" -j "$jobs"
}

count() { # NAME: adds what ctest wrote into the log of a part
  local log="$logs/$1.log" all bad skip
  all=$(grep -oE 'tests failed out of [0-9]+' "$log" | grep -oE '[0-9]+$' || echo 0)
  bad=$(grep -oE '[0-9]+ tests failed out of' "$log" | grep -oE '^[0-9]+' || echo 0)
  skip=$(grep -cE '\*\*\*Skipped' "$log" || true)
  passed=$((passed + all - bad - skip))
  failed=$((failed + bad))
  skipped=$((skipped + skip))
  grep -E '\*\*\*Skipped' "$log" | sed -E 's/^.*Test +#[0-9]+: (.*) \.*\*\*\*Skipped.*/   skipped: \1/' || true
}

run_tests() { # NAME PRESET
  part "$1" ctest --preset "$2" -j $((jobs + 1)) # tests of ranks wait for each other and for limits of time
  count "$1"
}

format_is_clean() {
  git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror
}

if [ -x /usr/local/cuda/bin/nvcc ]; then export PATH="$PATH:/usr/local/cuda/bin"; fi
release=release
if command -v nvcc >/dev/null; then release=cuda; else echo "== nvcc is not installed: nothing is compiled for CUDA"; fi

bash tools/setup.sh --tests || exit 1
part build build "$release" && run_tests tests "$release"
if [ "$quick" != --quick ]; then
  if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then part format format_is_clean; else
    echo "== format: skipped, clang-format 14 is not installed"
  fi
  if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null; then
    part aarch64 bash tests/hosts/aarch64.sh "$([ "$release" = cuda ] && echo build-cuda || echo build)"
  else
    echo "== aarch64: skipped, g++-aarch64-linux-gnu or qemu-user is not installed"
  fi
  part build-asan build asan && run_tests tests-asan asan
  part build-tsan build tsan && run_tests tests-tsan tsan
fi

echo
printf '%s\n' "${summary[@]}"
if [ ${#failures[@]} -gt 0 ]; then printf 'FAILED %s\n' "${failures[@]}"; fi
echo "$passed passed, $failed failed, $skipped skipped in ${SECONDS} s"
[ ${#failures[@]} -eq 0 ]
