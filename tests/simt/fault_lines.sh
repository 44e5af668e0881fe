#!/usr/bin/env bash
# Does a fault of the simt device name the line of the kernel that did it? Looks up, as the executor does, every access
# that a kernel's check calls for: none may lie in the file that only includes the kernel's. Given the program.
program="$1"
lines=$(objdump -d --no-show-raw-insn "$program" | sed -nE 's/^ *([0-9a-f]+):.*call.*<__tsan_(read|write).*/\1/p' |
  xargs addr2line -s -e "$program")
kernels=$(grep -cE '\.(cu|cuh|h):[1-9]' <<<"$lines")
wrappers=$(grep -E '\.cu\.cpp:' <<<"$lines" | sort | uniq -c)
echo "$kernels accesses in sources and headers of kernels"
if [ -n "$wrappers" ]; then printf 'accesses that name the file that includes the kernel:\n%s\n' "$wrappers"; fi
[ "$kernels" -gt 1000 ] && [ -z "$wrappers" ]
