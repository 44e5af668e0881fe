#!/usr/bin/env bash
# Files stay small: a file over its budget says why here, or is split.
declare -A reason=( # PATH: why it is longer
  [engine/ops.h]="the catalogue: one declaration and one formula per operator"
  [kernels/cpu/conv3d/grad_tile.h]="the register tiles of one algorithm, which share their unrolling"
)
# Prints what is over its budget, and what has a reason and no need of one.
find kernels engine model data tools tests benchmarks \( -name '*.h' -o -name '*.cuh' -o -name '*.cpp' -o -name '*.cu' \) -exec wc -l {} + |
  awk -v reasons="${!reason[*]}" '
    function budget(path) { return path ~ /^tests\// || path ~ /\.cu$/ ? 400 : path ~ /\.(h|cuh)$/ ? 150 : 300 }
    BEGIN { n = split(reasons, names, " "); for (i = 1; i <= n; i++) unused[names[i]] }
    $2 == "total" { next }
    { files++ }
    $1 <= budget($2) { next }
    $2 in unused { delete unused[$2]; next }
    { print $2 ": " $1 " lines, the budget is " budget($2); bad = 1 }
    END {
      for (name in unused) { print name ": has a reason to be long and is not; remove the reason"; bad = 1 }
      if (!files) { print "no sources"; bad = 1 }
      exit bad
    }'
