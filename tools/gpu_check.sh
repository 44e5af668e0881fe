#!/usr/bin/env bash
# Says on a machine with an NVIDIA GPU, in minutes, whether all is well there and how fast.
#   tools/gpu_check.sh [PACK]             correctness and our own speed, in minutes: every operator's tests in a process
#                                         of its own, values at 128^3, whole steps, every kernel, profiles, a real training
#   tools/gpu_check.sh --rivals [PACK]    beside PyTorch and cuDNN, in minutes
#   tools/gpu_check.sh --parts A,B [PACK] some of: values, steps, kernels, tests, profiles, train, memcheck, initcheck, cpu, torch,
#                                         torch_f32, cudnn
#   tools/gpu_check.sh --pack PACK        elsewhere, with nvcc: builds, and puts into the archive PACK (.tar.xz) what runs on a
#                                         machine with nothing but a driver: stripped programs and the libraries they need
# VOX_CHECK_SECONDS, VOX_TORCH_SECONDS and VOX_CUDNN_SECONDS bound the whole and the two longest parts.
# Without PACK the programs are built here first, which takes nvcc, CMake and what the README names.
# Everything is written to $OUT, or build/gpu-check: summary.txt (printed at the end, too), logs.tar.gz and JSON files.
# Exit code: 0 all well, 1 something failed, 77 no GPU, or no nvcc to build with: nothing was checked.
set -uo pipefail

programs=(voxgrad vox_bench vox_tests)
rivals=(vox_cudnn vox_cublas) # where cuDNN and cuBLAS are found

build() { # FOLDER CMAKE_ARGUMENT...: builds the programs there
  local folder="$1" generator=() cache=()
  shift
  if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  export CCACHE_SLOPPINESS=pch_defines,time_macros
  if command -v ccache >/dev/null; then cache=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache); fi
  cmake -S . -B "$folder" "${generator[@]}" "${cache[@]}" -DCMAKE_BUILD_TYPE=Release -DVOX_CUDA=ON -DVOX_LINEINFO=ON -DVOX_SIMT_CHECKS=OFF "$@" &&
    cmake --build "$folder" -j "$(nproc)" --target "${programs[@]}" || return 1
  for rival in "${rivals[@]}"; do
    if ! cmake --build "$folder" -j "$(nproc)" --target "$rival"; then echo "gpu_check: no $rival"; fi
  done
}

# What PACK needs not bring: the C library and the compiler's, which every Linux has, the driver, and the rivals, which
# PyTorch brings.
not_packed='^(linux-vdso|ld-linux.*|libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libcuda|libcudnn.*|libcublas.*)\.so'

pack() { # ARCHIVE
  local folder=build-pack/pack program library
  command -v nvcc >/dev/null || export PATH="$PATH:/usr/local/cuda/bin"
  build build-pack "-DCMAKE_CUDA_ARCHITECTURES=90a-real;80-virtual" || return 1
  rm -rf "$folder"
  mkdir -p "$folder/bin" "$folder/lib" || return 1
  for program in "${programs[@]}" "${rivals[@]}"; do
    if [ ! -e "build-pack/$program" ]; then continue; fi
    strip -o "$folder/bin/$program" "build-pack/$program" || return 1
    while read -r library; do
      if ! [[ "$(basename "$library")" =~ $not_packed ]]; then cp -L "$library" "$folder/lib/" || return 1; fi
    done < <(ldd "build-pack/$program" | sed -n 's/^.* => \(\/[^ ]*\) .*/\1/p')
  done
  git describe --always --dirty >"$folder/commit" 2>/dev/null || echo unknown >"$folder/commit"
  XZ_OPT=-T0 tar -C "$folder" -cJf "$1" bin lib commit || return 1
  echo "gpu_check: $1 holds $(cd "$folder/bin" && echo *) and $(find "$folder/lib" -type f | wc -l) libraries: $(du -sm "$folder" | cut -f1) MiB, packed $(du -m "$1" | cut -f1)"
}

parts=values,steps,kernels,tests,profiles,train,memcheck,initcheck,cpu
case "${1:-}" in
  --pack)
    archive=$(realpath "${2:?gpu_check --pack wants the name of an archive}") || exit 2
    cd "$(dirname "$0")/.." && pack "$archive"
    exit
    ;;
  --rivals)
    parts=torch,torch_f32,cudnn
    shift
    ;;
  --parts)
    parts="${2:?gpu_check --parts wants names of parts, joined by commas}"
    shift 2
    ;;
esac
pack=
if [ -n "${1:-}" ]; then pack=$(realpath -e "$1") || exit 2; fi
cd "$(dirname "$0")/.." || exit 2

if ! nvidia-smi -L >/dev/null 2>&1; then
  echo "gpu_check: this machine shows no NVIDIA GPU (nvidia-smi is missing or fails): nothing was checked" >&2
  exit 77
fi
if [ -z "$pack" ]; then
  export PATH="$PATH:/usr/local/cuda/bin"
  if ! command -v nvcc >/dev/null; then
    echo "gpu_check: there is no nvcc (CUDA Toolkit 12 or later) on the PATH or in /usr/local/cuda: nothing was checked" >&2
    exit 77
  fi
fi

out="${OUT:-build/gpu-check}"
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs
limit="${VOX_CHECK_SECONDS:-400}" # of all parts together
summary="$out/summary.txt"
: >"$summary"
failed=0

say() { printf '%s\n' "$*" | tee -a "$summary"; }
left() { echo $((limit - SECONDS)); }

part() { # NAME SECONDS COMMAND...: runs a part within its limit and what is left of the whole; its log is NAME.log
  local name="$1" most="$2" start=$SECONDS rc=0 word
  shift 2
  if [ "$most" -gt "$(left)" ]; then most=$(left); fi
  if [ "$most" -lt 3 ]; then
    say "$(printf '%-12s not run: the time was up' "$name")"
    failed=1
    return 1
  fi
  timeout -k 5 "$most" "$@" >"$logs/$name.log" 2>&1 || rc=$?
  case "$rc" in
    0) word=ok ;;
    124 | 137) word="STOPPED at its limit" ;;
    *) word="FAILED, exit $rc" ;;
  esac
  if [ "$rc" -ne 0 ]; then
    failed=1
    tail -n 6 "$logs/$name.log" | cut -c1-220
  fi
  say "$(printf '%-12s %-22s %4d s' "$name" "$word" $((SECONDS - start)))"
  return "$rc"
}

python_package() { # NAME: the libraries of one of pip's NVIDIA packages, where PyTorch keeps cuDNN and cuBLAS
  python3 -c "import importlib.util as u, os; s = u.find_spec('nvidia'); print(next((os.path.join(p, '$1', 'lib') for p in s.submodule_search_locations if os.path.isdir(os.path.join(p, '$1', 'lib'))), ''))" 2>/dev/null
}

if [ -n "$pack" ]; then
  mkdir "$logs/pack" && tar -C "$logs/pack" -xJf "$pack" || exit 2
  pack="$logs/pack"
fi
say "gpu_check, $(date -u '+%Y-%m-%d %H:%M UTC'), $(cat "${pack:-.}/commit" 2>/dev/null || git rev-parse --short HEAD 2>/dev/null || echo 'no git')"
say "$(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu --format=csv,noheader | head -1)"
if [ -n "$pack" ]; then
  bin="$pack/bin"
  export LD_LIBRARY_PATH="$pack/lib:${LD_LIBRARY_PATH:-}"
else
  part build 300 build build-gpu || exit 1
  bin=$(pwd)/build-gpu
fi
export bin
rival_libraries="$(python_package cudnn):$(python_package cu13)"

# --- tests: one process each, so that an error which the GPU does not forget fails one of them alone ----------------

run_test() { # NAME ARGUMENT...: a failing test is run again, each launch waited for, and under memcheck
  local name="$1" rc=0
  shift
  export VOXGRAD_TEST_DEVICE=cuda
  timeout -k 5 60 "$bin/vox_tests" "$@" >"$logs/test-$name.log" 2>&1 || rc=$?
  if [ "$rc" -ne 0 ]; then
    CUDA_LAUNCH_BLOCKING=1 timeout -k 5 40 "$bin/vox_tests" "$@" >"$logs/test-$name-blocking.log" 2>&1
    if command -v compute-sanitizer >/dev/null; then
      VOXGRAD_EXACT_MEMORY=nan timeout -k 5 60 compute-sanitizer --print-limit 5 "$bin/vox_tests" "$@" >"$logs/test-$name-memcheck.log" 2>&1
    fi
  fi
  echo "$rc $name" >>"$logs/tests.txt"
}
export -f run_test

ops() { sed -n '/define VOX_OPS/,/^$/p' engine/ops.h | grep -o 'X([a-z0-9_]*)' | tr -d 'X()'; }

all_tests() {
  {
    for op in $(ops); do echo "op-$op|[ops][cuda]|-c|$op"; done
    echo "conv3d-algorithms|[conv3d][cuda]"
    for tag in net device optimizer dropout batch_norm denormal; do echo "$tag|[$tag][cuda]"; done
    echo "rest|[cuda]~[ops]~[conv3d]~[net]~[device]~[optimizer]~[dropout]~[batch_norm]~[denormal]"
  } | xargs -P 8 -I{} bash -c 'IFS="|" read -ra words <<<"{}"; run_test "${words[@]}"'
  grep -v '^0 ' "$logs/tests.txt" && return 1
  return 0
}
export -f all_tests ops

check_tests() {
  part tests 110 bash -c all_tests
  say "             $(grep -c '^0 ' "$logs/tests.txt") of $(wc -l <"$logs/tests.txt") processes passed, $(cat "$logs"/test-*.log | grep -oE '[0-9]+ assertions' | awk '{ n += $1 } END { print n + 0 }') assertions"
  while read -r name; do
    say "   FAILED    $name: $(grep -hE 'CHECK|REQUIRE|due to|error|Error|SIG' "$logs/test-$name.log" | head -2 | tr '\n' ' ' | cut -c1-170)"
  done < <(grep -v '^0 ' "$logs/tests.txt" | cut -d' ' -f2)
}

# --- our own speed ---------------------------------------------------------------------------------------------------

rate() { # JSON: the rows of `bench step` or `bench predict`
  python3 - "$1" <<'PYTHON'
import json, sys
for r in json.load(open(sys.argv[1]))["rows"]:
    what = {"step": "train", "predict": "infer"}[r["work"]]
    if "error" in r:
        print(f"   {what:>5} {r['dtype']:>4} n={r['batch']:<3} {r['error'][:100]}")
    elif r["program"] == "voxgrad":
        graph = " as a graph" if "graph_ms" in r else ""
        print(f"   {what:>5} {r['dtype']:>4} n={r['batch']:<3} {r['ms']:9.2f} ms (lowest {1e3 * min(r['samples_s']):.2f}) "
              f"{1e3 * r['batch'] / r['ms']:8.1f} vol/s  {r['peak_tensor_bytes'] / 2**20:8.0f} MiB  loss {r.get('loss', 0):.4f}{graph}")
PYTHON
}

steps() { # OUT: the network at 128^3, kernel by kernel and, in bf16, as a graph
  local common=(--device cuda --size 128 --rounds 10) rc=0
  "$bin/vox_bench" step "${common[@]}" --dtype bf16,f32 --batch 1,2,16 --graph off --json "$1/steps.json" || rc=1
  timeout -k 5 40 "$bin/vox_bench" step "${common[@]}" --dtype bf16 --batch 1,16 --graph on --json "$1/graph.json" || rc=1
  "$bin/vox_bench" predict "${common[@]}" --dtype bf16,f32 --batch 1,16 --json "$1/predict.json" &&
    "$bin/vox_bench" step "${common[@]}" --dtype bf16 --batch 16 --graph off --recompute --json "$1/recompute.json" || rc=1
  return "$rc"
}

metrics=gpu__time_duration.sum,dram__bytes.sum
profile_step() { # BATCH
  ncu --clock-control none --profile-from-start off --csv --page raw --print-units base --metrics "$metrics" \
    "$bin/vox_bench" step --device cuda --size 128 --dtype bf16 --batch "$1" --nsight
}
profile_kernel() { # REGULAR_EXPRESSION OPERATOR PASS SHAPE
  ncu --clock-control none --print-details all \
    --section SpeedOfLight --section ComputeWorkloadAnalysis --section MemoryWorkloadAnalysis --section SchedulerStats \
    --section WarpStateStats --section LaunchStats --section Occupancy -k "regex:$1" -s 2 -c 1 \
    "$bin/vox_bench" kernel --device cuda --dtype bf16 --rounds 3 --least-seconds 0.0001 --op "$2" --pass "$3" --shape "$4"
}
profile_kernels() {
  profile_kernel convolve_tensor_core conv3d forward 16-16@128^3
  profile_kernel convolve_tensor_core conv3d forward 32-32@64^3
  profile_kernel convolve_tensor_core conv3d forward 64-64@32^3
  profile_kernel grad_weight_tensor_core conv3d grad-weight 16-16@128^3
  profile_kernel batch_norm batch_norm grad-input 16@128^3
}
export -f steps profile_step profile_kernel profile_kernels
export metrics

train() { # a minute of the whole job on made-up cases
  local folder="$logs/cases"
  "$bin/voxgrad" synth -o "$folder/raw" --cases 15 &&
    "$bin/voxgrad" prepare -i "$folder/raw" -o "$folder/cache" --recipe zscore --size 128 &&
    "$bin/voxgrad" train -i "$folder/cache" -o "$folder/run" --size 128 --device cuda --dtype bf16 --batch 2 --epochs "$1" \
      --schedule cosine --warmup 10 --init torch --focal-mean voxels --loader-threads 12 --validate-every 10 &&
    tail -n 1 "$folder/run/log.jsonl" && rm -rf "$folder"
}
export -f train

cpu_steps() {
  local threads
  for threads in 1 2 4 8 16; do
    "$bin/voxgrad" bench step --size 64 --batch 2 --threads "$threads" --rounds 3 || return 1
  done
}
export -f cpu_steps

check_values() {
  part values 60 "$bin/vox_bench" kernel --device cuda --values --size 128 --dtype bf16,f32 --op conv3d,conv_transpose3d,conv3d_concat \
    --seconds 45
  say "             $(grep -c '| right ' "$logs/values.log") results right, $(grep -c WRONG "$logs/values.log") wrong"
  grep WRONG "$logs/values.log" | head -10 | tee -a "$summary"
}
check_steps() {
  part steps 110 bash -c "steps '$out'"
  for name in steps graph predict recompute; do
    if [ -e "$out/$name.json" ]; then rate "$out/$name.json" | tee -a "$summary"; fi
  done
}
check_kernels() {
  part kernels 60 "$bin/vox_bench" kernel --device cuda --size 128 --batch 16,1 --dtype bf16 --rounds 5 --least-seconds 0.001 \
    --seconds 40 --json "$out/kernels.json"
  grep -E '^- (device|ceilings|build):' "$logs/kernels.log" | tee -a "$summary"
}
check_profiles() {
  if ! command -v ncu >/dev/null; then
    say "profiles     not run: there is no ncu (Nsight Compute)"
    return
  fi
  part profile-1 45 bash -c 'profile_step 1' && python3 benchmarks/output/gpu_profile.py "$logs/profile-1.log" --lines 30 | tee -a "$summary"
  part profile-16 60 bash -c 'profile_step 16' && python3 benchmarks/output/gpu_profile.py "$logs/profile-16.log" --lines 4 | tee -a "$summary"
  part profile-kernels 60 bash -c profile_kernels
}
check_train() {
  part train 75 bash -c 'train 30'
  tail -n 1 "$logs/train.log" | cut -c1-300 | tee -a "$summary"
}
check_cpu() {
  part cpu 30 bash -c cpu_steps
  grep -E '^\| step' "$logs/cpu.log" | head -10 | cut -c1-120 | tee -a "$summary"
}
sanitize() { # TOOL MEMORY: every block with an end of its own, which a pool hides
  if ! command -v compute-sanitizer >/dev/null; then
    say "$(printf '%-12s not run: there is no compute-sanitizer' "$1")"
    return
  fi
  part "$1" 40 env VOXGRAD_TEST_DEVICE=cuda "VOXGRAD_EXACT_MEMORY=$2" compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 10 \
    "$bin/vox_tests" "[ops][cuda]" -c conv3d_batch_norm_relu
  say "             $(grep -E 'ERROR SUMMARY' "$logs/$1.log" | tail -1)"
}
check_memcheck() { sanitize memcheck nan; }
check_initcheck() { sanitize initcheck unwritten; }

# --- beside others ---------------------------------------------------------------------------------------------------

beside_torch() { # NAME SECONDS WAYS ARGUMENT...
  local name="$1" seconds="$2" ways="$3"
  shift 3
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    say "$name        not run: there is no PyTorch with CUDA"
    return
  fi
  part "$name" "$((seconds + 40))" "$bin/vox_bench" step --device cuda --size 128 --against torch --torch "$ways" \
    --torch-script benchmarks/rivals/torch_step.py --seconds "$seconds" --rounds 9 --json "$out/$name.json" "$@"
  grep -E '^[|] (work|step)|^- ' "$logs/$name.log" | cut -c1-190 | tee -a "$summary"
}
check_torch() { beside_torch torch "${VOX_TORCH_SECONDS:-110}" 'channels_last eager,channels_last compile' --dtype bf16 --batch 1,16; }
check_torch_f32() { beside_torch torch_f32 20 'channels_last eager,channels_last eager tf32' --dtype f32 --batch 1; }
check_cudnn() {
  local seconds="${VOX_CUDNN_SECONDS:-90}"
  part cudnn $((seconds + 15)) env "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:$rival_libraries" "$bin/vox_bench" kernel --device cuda \
    --size 128 --batch 16,1 --dtype bf16 --op conv3d,conv_transpose3d --against cudnn,cublas --plans 2 --rounds 3 \
    --least-seconds 0.001 --seconds "$seconds" --json "$out/cudnn.json"
  grep -E '^[|] conv.*(16-16|32-16|32-32|64-64)@' "$logs/cudnn.log" | cut -c1-190 | tee -a "$summary"
}

for name in ${parts//,/ }; do
  if ! declare -F "check_$name" >/dev/null; then
    echo "gpu_check: there is no part '$name'" >&2
    exit 2
  fi
  "check_$name"
done
say "$(nvidia-smi --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu,clocks_event_reasons.active --format=csv,noheader | head -1)"
say "gpu_check: $([ "$failed" -eq 0 ] && echo 'all well' || echo 'SOMETHING FAILED'), ${SECONDS} s"
tar -C "$logs" -czf "$out/logs.tar.gz" --exclude ./cases --exclude ./pack .
exit "$failed"
