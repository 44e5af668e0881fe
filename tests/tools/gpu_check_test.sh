#!/usr/bin/env bash
# tools/gpu_check.sh without a GPU: it says so at once, exits 77 and writes nothing. With programs that only pretend, in a
# pack and beside an nvidia-smi of the same kind: what it runs, says and keeps, where all is well and where one test fails.
if nvidia-smi -L >/dev/null 2>&1; then
  echo "skipped: there is a GPU"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "gpu_check: $1"
  exit 1
}

refused() { # MESSAGE ARGUMENT...: what it must say
  local said rc=0 message="$1"
  shift
  said=$(OUT="$folder/out" bash tools/gpu_check.sh "$@" 2>&1) || rc=$?
  if [ "$rc" -ne 77 ] || [ -e "$folder/out" ] || ! grep -q "$message" <<<"$said"; then
    fail "exit $rc, wants 77 and '$message': $said"
  fi
}
refused "no NVIDIA GPU"
mkdir -p "$folder/path" "$folder/pack/bin" "$folder/pack/lib"
printf '#!/bin/sh\necho "a card, 1"\n' >"$folder/path/nvidia-smi"
chmod +x "$folder/path/nvidia-smi"
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  PATH="$folder/path:$PATH" refused "no nvcc"
fi

if ! command -v xz >/dev/null || ! command -v python3 >/dev/null; then
  echo "skipped: a pack needs xz, its figures Python"
  exit 77
fi
cat >"$folder/pack/bin/vox_tests" <<'STUB'
#!/bin/sh
[ "$VOXGRAD_TEST_DEVICE" = cuda ] || exit 3
echo "$@" >>"$RAN"
echo "All tests passed (2 assertions in 1 test case)"
case "$*" in *"$BROKEN"*) echo "CHECK( a == b )"; exit 1 ;; esac
STUB
cat >"$folder/pack/bin/vox_bench" <<'STUB'
#!/bin/sh
work=$1
while [ "$1" != --json ]; do shift; done
cat >"$2" <<JSON
{"rows": [{"work": "$work", "size": 128, "batch": 1, "dtype": "bf16", "program": "voxgrad", "ms": 5.0, "samples_s": [0.004, 0.005, 0.006],
  "peak_tensor_bytes": 7340032, "loss": 0.5}]}
JSON
STUB
printf '#!/bin/sh\nexit 0\n' >"$folder/pack/bin/voxgrad"
chmod +x "$folder/pack/bin/"*
echo 0123abc >"$folder/pack/commit"
tar -C "$folder/pack" -cJf "$folder/pack.tar.xz" bin lib commit

checked() { # BROKEN EXIT_CODE: runs tests and steps of the pack
  local rc=0
  rm -rf "$folder/out" "$folder/ran"
  PATH="$folder/path:$PATH" OUT="$folder/out" RAN="$folder/ran" BROKEN="$1" \
    bash tools/gpu_check.sh --parts tests,steps "$folder/pack.tar.xz" >"$folder/said" 2>&1 || rc=$?
  [ "$rc" -eq "$2" ] || fail "exit $rc, wants $2: $(cat "$folder/said")"
}
checked nothing 0
operators=$(grep -c '"\[ops\]\[cuda\] -c ' <(sed 's/^/"/' "$folder/ran"))
listed=$(sed -n '/define VOX_OPS/,/^$/p' engine/ops.h | grep -o 'X([a-z0-9_]*)' | wc -l)
[ "$operators" -eq "$listed" ] || fail "$operators operators were tested, there are $listed"
grep -q 'a card' "$folder/out/summary.txt" || fail "the summary does not name the card"
grep -q 'commit\|0123abc' "$folder/out/summary.txt" || fail "the summary does not name the commit"
grep -q 'train bf16 n=1 *5.00 ms (lowest 4.00)' "$folder/out/summary.txt" || fail "no median of the steps: $(cat "$folder/out/summary.txt")"
grep -q 'all well' "$folder/out/summary.txt" || fail "not all well: $(cat "$folder/out/summary.txt")"
tar -tzf "$folder/out/logs.tar.gz" | grep -q './tests.txt' || fail "the logs are not kept"
checked 'softmax' 1
grep -q 'FAILED *op-softmax.*a == b' "$folder/out/summary.txt" || fail "the failing test is not named: $(cat "$folder/out/summary.txt")"
tar -tzf "$folder/out/logs.tar.gz" | grep -q 'test-op-softmax-blocking.log' || fail "the failing test was not run again"
cat >"$folder/path/compute-sanitizer" <<'STUB'
#!/bin/sh
echo "$2 on $VOXGRAD_TEST_DEVICE, memory $VOXGRAD_EXACT_MEMORY" >>"$RAN"
echo "========= ERROR SUMMARY: 0 errors"
STUB
chmod +x "$folder/path/compute-sanitizer"
rm "$folder/ran"
PATH="$folder/path:$PATH" OUT="$folder/out" RAN="$folder/ran" bash tools/gpu_check.sh --parts memcheck,initcheck "$folder/pack.tar.xz" >"$folder/said" 2>&1 ||
  fail "memcheck and initcheck fail: $(cat "$folder/said")"
[ "$(cat "$folder/ran")" = "memcheck on cuda, memory nan
initcheck on cuda, memory unwritten" ] || fail "what the sanitizer saw: $(cat "$folder/ran")"
rc=0
PATH="$folder/path:$PATH" OUT="$folder/out" bash tools/gpu_check.sh --parts nonsense "$folder/pack.tar.xz" >/dev/null 2>&1 || rc=$?
[ "$rc" -eq 2 ] || fail "a part that does not exist exits $rc, not 2"
