#!/usr/bin/env bash
# A weak symbol (an inline function, a template) may be defined in many objects, and the linker keeps one of them for the
# whole program. If that one was compiled for AVX-512, a CPU without it dies. So in the objects compiled for an
# instruction set every weak symbol carries that set's queue type in its name. (DW.ref. is a pointer, the same everywhere.)
build="$2"
if ! grep -q 'CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt"; then
  echo "skipped: only optimised builds inline the standard library's small functions"
  exit 77
fi
bad=0
seen=0
check() { # ISA ENUMERATOR
  local objects found
  mapfile -t objects < <(find "$build/CMakeFiles/vox_cpu_$1.dir" -name '*.o' 2>/dev/null)
  if [ ${#objects[@]} -eq 0 ]; then return; fi
  seen=$((seen + ${#objects[@]}))
  found=$(nm -A --defined-only "${objects[@]}" | grep -E ' [WVu] ' | grep -v ' DW\.ref\.' | grep -v "CpuIsaQueueILNS_3IsaE$2EE") || return 0
  echo "weak symbols in objects compiled for $1 that the baseline program could pick up:"
  echo "$found" | c++filt
  bad=1
}
IFS=', ' read -r -a sets < <(sed -n 's/^enum class Isa .*{ \(.*\) };$/\1/p' kernels/base/queue.h)
for i in "${!sets[@]}"; do
  if [ "$i" -gt 0 ]; then check "${sets[i]}" "$i"; fi  # the baseline's may be picked up
done
if [ "$seen" -eq 0 ]; then
  echo "skipped: no objects for AVX2 or AVX-512 here"
  exit 77
fi
exit $bad
