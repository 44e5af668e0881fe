#!/usr/bin/env bash
# Says in one call on a machine with an NVIDIA GPU whether all is well there and how fast: builds with CUDA, runs every
# test that has a device on the GPU, the four tools of compute-sanitizer over the kernels' tests, every kernel beside
# cuDNN and cuBLAS, and whole training steps beside PyTorch. Each part has a time limit; all take less than 9 minutes.
#   tools/gpu_check.sh [LIBRARIES]        LIBRARIES: a folder with the libraries that this machine lacks, see --pack
#   tools/gpu_check.sh --pack LIBRARIES   on a Debian-like machine with internet: fetches them into that folder
# Needs nvcc, CMake, a C++20 compiler and no internet. fmt and nlohmann_json are all that the kernels, the engine and the
# network need; CLI11 brings the benchmarks, Catch2 the tests, and what is missing is left out and said so.
# Everything is written to $OUT, or build/gpu-check: summary.txt, the logs, kernels.json and steps.json.
# Exit code: 0 all well, 1 something failed, 77 no GPU or no nvcc: nothing was checked.
set -uo pipefail

pack() { # FOLDER: the packages a build without the program needs, unpacked as in a Debian root
  local packages=(libfmt-dev nlohmann-json3-dev libcli11-dev catch2) folder="$1" work
  mkdir -p "$folder" && folder=$(cd "$folder" && pwd) && work=$(mktemp -d) || return 1
  # the shared library behind libfmt-dev has the version in its name
  packages+=("$(apt-cache depends libfmt-dev | sed -n 's/^ *Depends: \(libfmt[0-9]*\)$/\1/p')") || return 1
  (cd "$work" && apt-get download -q "${packages[@]}" && for deb in *.deb; do dpkg -x "$deb" "$folder" || exit 1; done)
  local rc=$?
  rm -rf "$work" "$folder/usr/share/doc"
  [ "$rc" -eq 0 ] && echo "gpu_check: $folder holds ${packages[*]}"
  return "$rc"
}
if [ "${1:-}" = --pack ]; then
  pack "${2:?gpu_check --pack wants a folder}"
  exit
fi

libraries=
if [ -n "${1:-}" ]; then
  libraries=$(cd "$1" && pwd)/usr || exit 2
fi
cd "$(dirname "$0")/.." || exit 2

export PATH="$PATH:/usr/local/cuda/bin"
if ! nvidia-smi -L >/dev/null 2>&1; then
  echo "gpu_check: this machine shows no NVIDIA GPU (nvidia-smi is missing or fails): nothing was checked" >&2
  exit 77
fi
if ! command -v nvcc >/dev/null; then
  echo "gpu_check: there is no nvcc (CUDA Toolkit 12 or later) on the PATH or in /usr/local/cuda: nothing was checked" >&2
  exit 77
fi

out="${OUT:-build/gpu-check}"
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
build="build-gpu"
limit=530 # seconds of all parts together
summary="$out/summary.txt"
failed=0

say() { printf '%s\n' "$*" | tee -a "$summary"; }
left() { echo $((limit - SECONDS)); }

part() { # NAME LIMIT LOG COMMAND...: runs a part within its limit and what is left of the whole
  local name="$1" most="$2" log="$3" start=$SECONDS rc=0 word
  shift 3
  if [ "$most" -gt "$(left)" ]; then most=$(left); fi
  if [ "$most" -lt 5 ]; then
    say "$(printf '%-12s not run: the time was up' "$name")"
    failed=1
    return 1
  fi
  echo "== $name, at most $most s"
  echo "== $name: $*" >>"$log"
  timeout -k 5 "$most" "$@" >>"$log" 2>&1 || rc=$?
  case "$rc" in
    0) word=ok ;;
    124 | 137) word="STOPPED at its limit" ;;
    *) word="FAILED, exit $rc" ;;
  esac
  if [ "$rc" -ne 0 ]; then
    failed=1
    tail -n 25 "$log"
  fi
  say "$(printf '%-12s %-22s %4d s  %s' "$name" "$word" $((SECONDS - start)) "$(basename "$log")")"
  return "$rc"
}

rm -f "$out"/{summary.txt,build.log,tests.log,sanitizer.log,kernels.txt,kernels.json,steps.txt,steps.json}
say "gpu_check, $(date -u '+%Y-%m-%d %H:%M UTC'), $(git rev-parse --short HEAD 2>/dev/null || echo 'no git')"
say "$(nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader | head -1)"
say "$(nvcc --version | grep -o 'release [0-9.]*'), $(cmake --version | head -1), $(c++ --version | head -1)"

# --- build -----------------------------------------------------------------------------------------------------------

python_package() { # NAME: the folder of one of pip's NVIDIA packages, where PyTorch keeps cuDNN and cuBLAS
  python3 -c "import importlib.util as u, os; s = u.find_spec('nvidia'); print(next((os.path.join(p, '$1') for p in s.submodule_search_locations if os.path.isdir(os.path.join(p, '$1', 'lib'))), ''))" 2>/dev/null
}

configure() { # CMAKE_ARGUMENT...
  local generator=()
  if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DVOX_CUDA=ON -DVOX_SIMT_CHECKS=OFF \
    ${libraries:+"-DCMAKE_PREFIX_PATH=$libraries"} -DCUDNN_ROOT="$(python_package cudnn)" \
    -DCUBLAS_ROOT="$(python_package cu13)" "$@"
}

# With the program where its libraries are there, else without; then without the tests, then without the benchmarks.
benchmarks=(vox_gpu_bench vox_step_bench)
configure_what_can_be() {
  targets=(vox_tests "${benchmarks[@]}")
  built="the program, its tests and the benchmarks"
  configure -DVOX_TOOLS=ON -DVOX_TESTS=ON -DVOX_BENCHMARKS=ON && return
  built="the tests and the benchmarks, without the program (libraries are missing: build.log)"
  configure -DVOX_TOOLS=OFF -DVOX_TESTS=ON -DVOX_BENCHMARKS=ON && return
  targets=("${benchmarks[@]}")
  built="the benchmarks alone (Catch2 is missing: build.log)"
  configure -DVOX_TOOLS=OFF -DVOX_TESTS=OFF -DVOX_BENCHMARKS=ON && return
  targets=(vox_tests)
  built="the tests alone (CLI11 is missing: build.log)"
  configure -DVOX_TOOLS=OFF -DVOX_TESTS=ON -DVOX_BENCHMARKS=OFF
}
if ! configure_what_can_be >"$out/build.log" 2>&1; then
  tail -n 25 "$out/build.log"
  say "configure    FAILED: fmt and nlohmann_json are the least; see tools/gpu_check.sh --pack"
  exit 1
fi
say "built        $built"
part build 240 "$out/build.log" cmake --build "$build" -j "$(nproc)" --target "${targets[@]}" || exit 1

# --- tests -----------------------------------------------------------------------------------------------------------

has() { [ -x "$build/$1" ]; }
if has vox_tests; then
  part tests 70 "$out/tests.log" env VOXGRAD_TEST_DEVICE=cuda "$build/vox_tests" "[cuda]" --durations yes
  say "             $(grep -E '^(All tests passed|test cases:)' "$out/tests.log" | tail -1)"

  sanitize() { # TOOL: over every operator, every convolution and Adam
    VOXGRAD_TEST_DEVICE=cuda compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 20 \
      "$build/vox_tests" "[ops][cuda],[conv3d][cuda],[optimizer][cuda]"
  }
  if command -v compute-sanitizer >/dev/null; then
    export -f sanitize
    export build
    for tool in memcheck racecheck initcheck synccheck; do
      part "$tool" 30 "$out/sanitizer.log" bash -c "sanitize $tool"
      say "             $(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/sanitizer.log" | tail -1)"
    done
  else
    say "sanitizer    not run: compute-sanitizer is not installed"
  fi
else
  say "tests        not built, not run"
fi

# --- benchmarks ------------------------------------------------------------------------------------------------------

if has vox_gpu_bench && has vox_step_bench; then
  for_steps=80 # seconds kept for the training steps
  for_kernels=$(($(left) - for_steps - 20))
  part kernels $((for_kernels + 20)) "$out/kernels.txt" "$build/vox_gpu_bench" --seconds "$((for_kernels > 5 ? for_kernels : 5))" \
    --json "$out/kernels.json"
  with_torch=(--compile)
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    say "             no PyTorch with CUDA: our training steps alone"
    with_torch=(--ours-only)
  fi
  part steps "$(left)" "$out/steps.txt" python3 -u benchmarks/gpu_torch.py "$build/vox_step_bench" "${with_torch[@]}" \
    --seconds $(($(left) > 45 ? $(left) - 40 : 5)) --json "$out/steps.json"
  say ""
  grep -v '^== ' "$out/steps.txt" | tee -a "$summary"
  grep -E '^#|^conv .*(16-16|32-16) .*bf16 +1 ' "$out/kernels.txt" | tee -a "$summary"
else
  say "benchmarks   not built, not run"
fi

say ""
say "gpu_check: $([ "$failed" -eq 0 ] && echo 'all well' || echo 'SOMETHING FAILED'), ${SECONDS} s, all of it in $out"
exit "$failed"
