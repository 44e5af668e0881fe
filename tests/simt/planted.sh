#!/usr/bin/env bash
# Runs every kernel with a planted bug in every build and order, and the correct kernels, where nothing may be said.
# Given the build folder. Prints who noticed what first and found/planted; exits 0 when every bug was noticed.
build="$1"
modes=("plain forward" "plain reverse" "plain random" "check forward" "check random" "asan forward" "asan random")
declare -A by=([plain]=0 [check]=0 [asan]=0)
planted=0
found=0
bad=0
run() { # MODE KERNEL BUG: what was noticed, nothing when the run was clean
  local out rc
  read -r name order <<<"$1"
  out=$(timeout 60 "$build/vox_planted_$name" "$2" "$3" "$order" 2>&1)
  rc=$?
  case $rc in
    0) ;;
    10) echo "wrong-values" ;;
    11) grep -oE '^  [a-z0-9-]+ at' <<<"$out" | sed -E 's/^  (.*) at/\1/' | sort -u | paste -sd, ;;
    2 | 124 | 126 | 127) echo "cannot run: exit code $rc" ;;
    *) grep -oE 'AddressSanitizer: [a-z-]+|runtime error: .*' <<<"$out" | head -1 | grep . || echo "exit code $rc" ;;
  esac
}
while read -r kernel bug what; do
  first=""
  declare -A noticed=()
  for mode in "${modes[@]}"; do
    said=$(run "$mode" "$kernel" "$bug")
    if [[ $said == "cannot run"* || ($bug == 0 && -n $said) ]]; then
      echo "$kernel $what: $mode: $said"
      bad=1
    elif [ -n "$said" ]; then
      noticed[${mode% *}]=1
      first="${first:-$mode: $said}"
    fi
  done
  if [ "$bug" = 0 ]; then continue; fi
  planted=$((planted + 1))
  for name in "${!noticed[@]}"; do by[$name]=$((by[$name] + 1)); done
  if [ -n "$first" ]; then found=$((found + 1)); else bad=1; fi
  printf '%-12s %-32s %s\n' "$kernel" "$what" "${first:-MISSED}"
done < <("$build/vox_planted_plain")
echo "found $found of $planted planted bugs: plain ${by[plain]}, check ${by[check]}, asan ${by[asan]}"
[ "$bad" = 0 ] && [ "$planted" -gt 0 ]
