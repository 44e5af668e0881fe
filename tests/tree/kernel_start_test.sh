#!/usr/bin/env bash
# Every CUDA kernel waits for the launches before it, as its first statement: one that does not would read what an earlier
# kernel is still writing, on the GPUs alone where launches overlap.
set -euo pipefail
find kernels/cuda benchmarks -name '*.cu' -o -name '*.cuh' | sort | xargs cat | awk '
  { text = text " " $0 }
  END {
    kernels = bad = 0
    while ((at = index(text, "__global__")) > 0) {
      text = substr(text, at + 10)
      depth = 0
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(") depth++
        if (c == ")") depth--
        if (depth == 0 && (c == "{" || c == ";")) break
      }
      if (c != "{") continue
      kernels++
      if (substr(text, i + 1) !~ /^ *wait_for_launches_before\(\);/) {
        bad++
        print "a kernel that does not wait for the launches before it: " substr(text, 1, i)
      }
    }
    print kernels " kernels, " bad " of them do not wait"
    exit kernels == 0 || bad > 0
  }'
