#!/usr/bin/env bash
# The programs are hardened as tools/cmake/hardening.cmake has it; their ELF files tell.
build="$2"
cache() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
if [ "$(cache VOX_HARDEN)" != ON ] || [ "$(cache VOX_SANITIZE)" != OFF ] || [ "$(cache CMAKE_BUILD_TYPE)" != Release ]; then
  echo "skipped: hardened are Release builds with VOX_HARDEN"
  exit 77
fi
if ! command -v readelf >/dev/null; then
  echo "skipped: no readelf"
  exit 77
fi
bad=0
wants() { # FILE WHAT PATTERN TEXT
  if ! grep -qE -- "$3" <<<"$4"; then
    echo "$1: $2"
    bad=1
  fi
}
check_program() { # FILE
  local headers dynamic undefined path
  headers="$(readelf -hlW "$1" 2>/dev/null)"
  dynamic="$(readelf -dW "$1" 2>/dev/null)"
  undefined="$(readelf -W --dyn-syms "$1" 2>/dev/null)"
  wants "$1" 'is not position-independent (-pie)' 'Type: +DYN' "$headers"
  wants "$1" 'has no RELRO' 'GNU_RELRO' "$headers"
  wants "$1" 'has a stack that may be executed' 'GNU_STACK.* RW  ' "$headers"
  wants "$1" 'binds symbols late (-z now)' 'FLAGS_1.*NOW' "$dynamic"
  wants "$1" 'has no stack protector' ' __stack_chk_fail(@|$| )' "$undefined"
  wants "$1" 'calls no fortified function (-D_FORTIFY_SOURCE)' ' __[a-z]+_chk(@|$| )' "$undefined"
  if grep -q TEXTREL <<<"$dynamic"; then
    echo "$1: has code that is changed when it is loaded (TEXTREL)"
    bad=1
  fi
  # An entry that is empty or relative is a folder of whoever starts the program.
  path="$(sed -n 's/.*(R[UN]*PATH).*\[\(.*\)\]$/\1/p' <<<"$dynamic")"
  if [ -n "$path" ] && grep -qvE '^(/|\$ORIGIN)' < <(tr ':' '\n' <<<"$path:" | sed '$d'); then
    echo "$1: RUNPATH has entries that are no absolute folders: $path"
    bad=1
  fi
  if grep -qF "$(cd "$build" && pwd -P)" <<<"$path"; then
    echo "$1: RUNPATH names the folder of the build: $path"
    bad=1
  fi
}
check_program "$1"
for program in "$build/vox_bench" "$build/static/voxgrad" "$build/static/vox_bench"; do
  if [ ! -e "$program" ]; then continue; fi
  if [[ "$program" = */static/* && "$1" -nt "$program" ]]; then continue; fi # of an older build: cpack links it anew
  check_program "$program"
done
# Every object of ours: the command that made it. nvcc hands the flags on.
if [ -e "$build/compile_commands.json" ]; then
  without="$(grep '"command":' "$build/compile_commands.json" |
    grep -vE -- ' (-Xcompiler=)?-fstack-protector-strong .* (-Xcompiler=)?-D_FORTIFY_SOURCE=[23] ')"
  if [ -n "$without" ]; then
    echo "$(wc -l <<<"$without") sources are compiled without the flags, such as: $(head -n 1 <<<"$without" | grep -oE '[^ ]+\.c(c|pp|u)?"')"
    bad=1
  fi
fi
exit $bad
