#!/usr/bin/env bash
# Installs the library and builds a project of somebody else against it (tests/outside), and README's example: they compile,
# link and pass, no flag or path of this tree reaches them, every public header stands alone. Then the same project with
# voxgrad as a part of its own, configured and compiled but not linked.
set -euo pipefail
build=$(realpath "$2")
source=$PWD
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
command -v cmake >/dev/null || { echo "skipped: no cmake"; exit 77; }
[ "$(cached VOX_SANITIZE)" = OFF ] || { echo "skipped: a sanitizer's library is not for others"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
compiler=$(cached CMAKE_CXX_COMPILER)
fail() { echo "$1"; exit 1; }
configure() { # SOURCE BUILD [OPTION...]
  cmake -G "$(cached CMAKE_GENERATOR)" -S "$1" -B "$2" "${@:3}" -DCMAKE_CXX_COMPILER="$compiler" >"$work/log" 2>&1 ||
    { cat "$work/log"; fail "$1 does not configure"; }
}
build() { # BUILD [OPTION...]
  cmake --build "$1" "${@:2}" >"$work/log" 2>&1 || { cat "$work/log"; fail "$1 does not build"; }
}
clean_flags() { # BUILD: no flag and no path of this tree on the command lines of the outside project
  local commands
  commands=$(grep -A1 "\"directory\": \"$1\"" "$1/compile_commands.json" | grep '"command"' | grep "$source/tests/outside/")
  [ -n "$commands" ] || fail "$1 has no command lines"
  if echo "$commands" | sed "s|$source/tests/outside/[^ ]*||g" | sed 's/ -DFMT_SHARED//' | grep -E -- " -(W|f|m|D(V[^O]|[^V]))|$source"; then
    fail "these command lines have flags or paths of this tree"
  fi
}

cmake --install "$build" --prefix "$prefix" >"$work/log" || { cat "$work/log"; fail "it does not install"; }
if grep -rn -- "$source" "$prefix"/lib*/cmake "$prefix/include"; then fail "installed files name this tree"; fi
if grep -rnP '^ *# *(include "|define (?!VOX_))' "$prefix/include"; then fail "public headers define or include what is not voxgrad's"; fi

echo "== every public header alone: what no source of this tree includes first is compiled here"
# shellcheck disable=SC2016
find kernels engine model data tools tests -name '*.cpp' -exec awk 'FNR == 1 { seen = 0 }
  /^#include/ { if (!seen && $2 ~ /^"/) print substr($2, 2, length($2) - 2); seen = 1 }' {} + | sort -u >"$work/included_first"
mapfile -t headers < <(cd "$prefix/include/voxgrad" && find . -name '*.h' | sed -E 's|^\./||; s#^(run|ui)/#tools/\1/#' | sort)
[ ${#headers[@]} -gt 60 ] || fail "too few headers are installed"
printf '%s\n' "${headers[@]}" | comm -23 - "$work/included_first" | sed 's|^tools/||' >"$work/alone"
while read -r header; do echo "#include <voxgrad/$header>" >"$work/alone_${header//\//_}.cpp"; done <"$work/alone"
find "$work" -maxdepth 1 -name 'alone_*.cpp' -print0 |
  xargs -0 -P "$(nproc)" -n 1 "$compiler" -std=c++20 -fsyntax-only -DVOX_X86 -I "$prefix/include" ||
  fail "not every public header compiles on its own"
grep -rhoE '#include <voxgrad/[^>]*' "$prefix/include" | sed 's|#include <||' | sort -u | while read -r header; do
  [ -e "$prefix/include/$header" ] || fail "<$header> is included by a public header and is not public"
done

echo "== the outside project, installed library"
configure "$source/tests/outside" "$work/outside" -DCMAKE_PREFIX_PATH="$prefix"
build "$work/outside" --parallel
"$work/outside/gradients"
"$work/outside/train_and_segment" "$work/run" >"$work/log" 2>&1 || { cat "$work/log"; fail "training from C++ fails"; }
tail -n 1 "$work/log"
clean_flags "$work/outside"

echo "== README's example"
mkdir "$work/example"
block() { awk -v name="$1" '$0 == "```" name { on = 1; next } $0 == "```" { on = 0 } on' README.md; } # LANGUAGE
block cmake >"$work/example/CMakeLists.txt"
block cpp >"$work/example/my_test.cpp"
configure "$work/example" "$work/example/build" -DCMAKE_PREFIX_PATH="$prefix"
build "$work/example/build"
"$work/example/build/my_test"
sed -i 's/scale(mul(mul(v, v), dy), 3)/scale(mul(mul(v, v), dy), 2)/' "$work/example/my_test.cpp"
build "$work/example/build"
if "$work/example/build/my_test"; then fail "README's example passes with a wrong gradient rule"; fi

echo "== the outside project, voxgrad as a part of it"
configure "$source/tests/outside" "$work/part" -DVOXGRAD_SOURCE="$source" -DVOX_CUDA=OFF
build "$work/part" --target vox_headers vox_run_headers
clean_flags "$work/part"
grep '"command"' "$work/part/compile_commands.json" | grep "$source/tests/outside/train_and_segment.cpp" |
  sed 's/.*"command": "//; s/",$//; s/ -o [^ ]*//' | { cd "$work/part" && read -r line && $line -fsyntax-only; } ||
  fail "the project does not compile with voxgrad as a part of it"
