#!/usr/bin/env bash
# What this machine and a 64-bit ARM one compute, bit for bit: cross-builds vox_digests and runs it under qemu-aarch64. On
# ARM the compiler makes one rounding of a * b + c, on x86 without FMA two; so that the rest can be compared, the
# cross-build here does without (-ffp-contract=off).
#   tests/hosts/aarch64.sh BUILD       BUILD: a build for this machine
#   tests/hosts/aarch64.sh --program PROGRAM
#   tests/hosts/aarch64.sh --tests FILE...
# --program: the whole program, with the compiler's own flags and without the device simt, its gradients, and a job of synth, prepare, train, predict
# and evaluate beside the same job of PROGRAM, which is for this machine.
# --tests: the tests of these sources of vox_tests, as tests/data/*_test.cpp, each file for SECONDS_EACH=600 at most.
# Wants an x86-64 machine, g++-aarch64-linux-gnu and qemu-user (exit 77 without them); tools/sysroot.sh fetches the libraries.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(uname -m)" != x86_64 ] || ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
  echo "skipped: wants x86-64, g++-aarch64-linux-gnu and qemu-user"
  exit 77
fi
sysroot="$PWD/build-aarch64-sysroot"
bash tools/sysroot.sh "$sysroot" || {
  echo "skipped: the distribution's arm64 libraries cannot be fetched"
  exit 77
}
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
  echo "aarch64: $1"
  bad=1
}

compare_library() { # BUILD
  local build=build-aarch64-x neon
  cmake --preset aarch64 -B "$build" -DVOX_TOOLS=OFF -DVOX_TESTS=OFF -DVOX_SIMT=OFF -DCMAKE_CXX_FLAGS=-ffp-contract=off >"$work/log" ||
    { cat "$work/log" && exit 1; }
  cmake --build "$build" --target vox_digests
  cmake --build "$1" --target vox_digests
  # Eight lanes are two registers of NEON.
  neon="$(find "$build/CMakeFiles/vox_cpu_baseline.dir" -name 'tiled.cpp.o' -exec aarch64-linux-gnu-objdump -d --no-show-raw-insn {} + |
    grep -cE '\sf(mul|mla|add)\s+v[0-9]+\.4s')"
  echo "tiled.cpp: $neon instructions of NEON multiply or add four f32"
  if [ "$neon" -lt 500 ]; then fail "the kernels' vectors are not NEON's"; fi
  "$1/vox_digests" "$work" baseline >"$work/here" || fail "vox_digests on this machine: exit $?"
  qemu-aarch64 -L "$sysroot" "$build/vox_digests" "$work" >"$work/arm" || fail "vox_digests on aarch64: exit $?"
  if diff "$work/here" "$work/arm" >"$work/difference"; then
    echo "$(wc -l <"$work/arm") lines of digests are the same on $(uname -m) and aarch64"
  else
    head -n 40 "$work/difference"
    fail "$(grep -c '^<' "$work/difference") of $(wc -l <"$work/here") lines differ"
  fi
}

job() { # FOLDER PROGRAM...
  mkdir "$work/$1"
  (
    cd "$work/$1"
    shift
    "$@" synth -o raw --cases 6 --seed 5 --size 24 24 24 --threads 1
    "$@" prepare -i raw -o cache --recipe zscore --size 16 --threads 1
    "$@" train -i cache -o run --widths 2 2 2 --batch 2 --folds 3 --epochs 2 --lr 1e-2 --threads 1 --digest 1 --report off --tensorboard off
    "$@" predict --model run/last.safetensors -i raw -o masks --threads 1
    "$@" evaluate --truth raw --prediction masks --csv scores.csv --threads 1
  ) >"$work/$1.out" 2>&1 || { tail -n 5 "$work/$1.out" && fail "the job: $1"; }
}
compare_program() { # PROGRAM
  local native arm kind same all machine
  native="$(realpath "$1")"
  cmake --preset aarch64 -DVOX_TOOLS=ON -DVOX_TESTS=OFF -DVOX_SIMT=OFF >"$work/log" || { cat "$work/log" && exit 1; }
  cmake --build --preset aarch64 --target voxgrad
  arm=(qemu-aarch64 -L "$sysroot" "$PWD/build-aarch64/voxgrad")
  "${arm[@]}" --version
  bash tests/tree/hardening_test.sh build-aarch64/voxgrad build-aarch64 || fail "is not hardened"
  "${arm[@]}" gradcheck | tail -n 1
  job here "$native"
  job arm "${arm[@]}"
  for kind in raw cache masks; do
    all="$(find "$work/here/$kind" -type f | wc -l)"
    same="$(cd "$work/here" && find "$kind" -type f | while read -r f; do if cmp -s "$f" "../arm/$f"; then echo "$f"; fi; done | wc -l)"
    echo "$kind: $same of $all files are the same, byte for byte"
    if [ "$kind" != cache ] && [ "$same" != "$all" ]; then fail "$kind: files differ"; fi
  done
  for machine in here arm; do
    echo "$machine: losses $(grep -oE '"loss":[0-9.]+' "$work/$machine/run/log.jsonl" | cut -d : -f 2 | tr '\n' ' ')"
  done
}

run_tests() { # FILE...
  local build=build-aarch64-tests file name said code
  cmake --preset aarch64 -B "$build" -DVOX_TOOLS=ON -DVOX_TESTS=ON >"$work/log" || { cat "$work/log" && exit 1; }
  cmake --build "$build" --target voxgrad vox_tests
  # Tests start the program by its name, and this machine's system cannot.
  if [ "$(head -c 2 "$build/voxgrad")" != '#!' ]; then mv "$build/voxgrad" "$build/voxgrad.aarch64"; fi
  printf '#!/bin/sh\nexec qemu-aarch64 -L "%s" "%s.aarch64" "$@"\n' "$sysroot" "$PWD/$build/voxgrad" >"$build/voxgrad"
  chmod +x "$build/voxgrad"
  for file in "$@"; do
    name="$(basename "$file" .cpp)"
    said="$work/$name"
    code=0
    timeout "${SECONDS_EACH:-600}" qemu-aarch64 -L "$sysroot" "$build/vox_tests" -# "[#$name]" >"$said" 2>&1 || code=$?
    printf '%-48s %s\n' "$name" "$(tail -n 3 "$said" | grep -E 'test cases:|All tests' || echo "ended with $code")"
    case $code in
      0) ;;
      124) echo "  not done in ${SECONDS_EACH:-600} s" ;;
      *)
        grep -A 3 'FAILED:' "$said" | head -n 40 || true
        fail "$name"
        ;;
    esac
  done
}

case "$1" in
  --program) compare_program "$2" ;;
  --tests) run_tests "${@:2}" ;;
  *) compare_library "$1" ;;
esac
exit $bad
