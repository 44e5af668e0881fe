#!/usr/bin/env bash
# Sources compiled in two folders by the commands of the build give the same object, and archives hold no times and no
# users. The whole program: tools/reproducible.sh.
build="$(realpath "$2")"
if [ ! -e "$build/compile_commands.json" ] || ! grep -q 'CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt" || ! command -v python3 >/dev/null; then
  echo "skipped: wants a Release build with compile_commands.json, and python3"
  exit 77
fi
bad=0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$PWD"
# A kernel, a source with __FILE__, and where the build has CUDA a kernel for it, with __FILE__ too. With source lines in
# the device code it names its folder.
sources=(kernels/cpu/fill.cpp model/stored_tensor.cpp)
if grep -q 'kernels/cuda/add\.cu"' "$build/compile_commands.json" && ! grep -q 'VOX_LINEINFO:BOOL=ON' "$build/CMakeCache.txt"; then
  sources+=(kernels/cuda/add.cu)
fi
for folder in one a/folder/of/another/length; do
  mkdir -p "$work/$folder"
  cp -r kernels engine model data "$work/$folder/"
  mkdir "$work/$folder/out"
  python3 - "$build/compile_commands.json" "$root" "$build" "$work/$folder" "${sources[@]}" <<'END' || bad=1
import json, os, re, shlex, subprocess, sys
commands, root, build, folder, *sources = sys.argv[1:]
found = {}
for entry in json.load(open(commands)):
    found.setdefault(os.path.relpath(entry["file"], root), entry["command"])
for source in sources:
    if source not in found: sys.exit(f"{source}: is not compiled")
    words = [w for w in shlex.split(found[source]) if not w.endswith("ccache")]
    words = [w for i, w in enumerate(words) if not w.endswith("cmake_pch.hxx") and not (w == "-include" and words[i + 1].endswith("cmake_pch.hxx"))
             and w not in ("-Winvalid-pch", "-fpch-preprocess")]
    words = [w.replace(build, folder + "/build").replace(root, folder) for w in words]
    words[words.index("-o") + 1] = os.path.join(folder, "out", source.replace("/", "_") + ".o")
    os.makedirs(folder + "/build", exist_ok=True)
    ended = subprocess.run(words, cwd=folder + "/build", capture_output=True, text=True, env=dict(os.environ, CCACHE_DISABLE="1"))
    if ended.returncode: sys.exit(f"{source}: {ended.stderr[:2000]}")
END
done
if [ "$(find "$work/one/out" -name '*.o' | wc -l)" -ne ${#sources[@]} ]; then
  echo "wants ${#sources[@]} objects, has: $(ls "$work/one/out")"
  bad=1
fi
for object in "$work"/one/out/*.o; do
  other="$work/a/folder/of/another/length/out/${object##*/}"
  cmp "$object" "$other" || bad=1
  if grep -qaF "$work" "$object"; then
    echo "${object##*/}: names the folder it was compiled in"
    bad=1
  fi
done
# nvcc names what stands in an unnamed namespace after the file's path: `static` it is.
named="$(find "$build" -name '*.cu.o' -exec nm -A {} + | grep -E '_GLOBAL__N__[0-9a-f]{8}_')"
if [ -n "$named" ] || grep -nE '^namespace \{' kernels/cuda/*.cu* kernels/cuda/*/*.cu*; then
  echo "of an unnamed namespace, which nvcc names after the file's path: $(c++filt <<<"$named" | head -n 3)"
  bad=1
fi
for archive in "$build"/lib*.a; do
  if TZ=UTC ar tv "$archive" | grep -qv ' 0/0 .* Jan  1 00:00 1970 '; then
    echo "$archive: has times or users: $(ar tv "$archive" | head -n 1)"
    bad=1
  fi
done
if grep -rnE '__(DATE|TIME|TIMESTAMP)__' kernels engine model data tools benchmarks --include='*.h' --include='*.cpp' --include='*.cu'; then bad=1; fi
exit $bad
