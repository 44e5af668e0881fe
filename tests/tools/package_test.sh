#!/usr/bin/env bash
# The packages that cpack makes run where there is nothing but a C library: the program of the .deb does the whole job
# in a root of libc6's own files, without a shell, fonts, gnuplot or /proc.
#   package_test.sh PROGRAM BUILD
set -euo pipefail
build="${2:-}"
if [ -z "$build" ]; then
  echo "skipped: wants the build folder"
  exit 77
fi
if [ ! -e "$build/CPackConfig.cmake" ]; then
  echo "skipped: this build makes no packages (a sanitizer, or libraries whose archives are not installed)"
  exit 77
fi
PATH="$PATH:/usr/sbin:/sbin"
for needed in dpkg-deb dpkg-query cpack chroot; do
  if ! command -v "$needed" >/dev/null; then
    echo "skipped: $needed is not installed"
    exit 77
  fi
done
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(unshare --map-root-user)
  if ! "${as_root[@]}" true 2>/dev/null; then
    echo "skipped: only root may chroot here"
    exit 77
  fi
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cpack --config "$build/CPackConfig.cmake" -B "$work/packages" >"$work/cpack.log" 2>&1 || {
  cat "$work/cpack.log"
  exit 1
}
deb="$(echo "$work"/packages/*.deb)"
archive="$(echo "$work"/packages/*.tar.gz)"
dpkg-deb --info "$deb"
ls -l "$deb" "$archive"

root="$work/root"
mkdir -p "$root/tmp" "$root/lib64"
dpkg-query -L libc6 | grep -E '/(ld-linux-x86-64|libc|libm)\.so\.[0-9]+$' | while read -r library; do
  mkdir -p "$root/$(dirname "$library")"
  cp -L "$library" "$root/$library"
done
if [ ! -e "$root/lib64/ld-linux-x86-64.so.2" ]; then  # where /lib64 is a link into /usr
  find "$root" -name 'ld-linux-x86-64.so.2' -exec cp {} "$root/lib64/" \;
fi
dpkg-deb -x "$deb" "$root"
mkdir "$work/unpacked"
tar -C "$work/unpacked" --strip-components=1 -xzf "$archive"
cmp "$root/usr/bin/voxgrad" "$work/unpacked/bin/voxgrad"
for file in README.md copyright licences/README.txt licences/libcairo2-dev.txt; do
  test -s "$root/usr/share/doc/voxgrad/$file"
done
for file in man/man1/voxgrad-check.1 bash-completion/completions/voxgrad zsh/vendor-completions/_voxgrad \
  fish/vendor_completions.d/voxgrad.fish; do
  test -s "$root/usr/share/$file"
done

voxgrad() {
  echo "== voxgrad $*"
  "${as_root[@]}" env -i "$(command -v chroot)" "$root" /usr/bin/voxgrad "$@" 2>&1
}
says() { # TEXT FILE
  if ! grep -qF -- "$1" "$2"; then
    echo "'$1' is not in what voxgrad says:"
    cat "$2"
    exit 1
  fi
}
out="$work/out"
voxgrad --version | tee "$out"
says "voxgrad 0" "$out"
voxgrad doctor | tee "$out"
says "gnuplot            not found" "$out"
voxgrad synth -o /tmp/cases --cases 4 --size 32 32 32 --seed 1
voxgrad prepare -i /tmp/cases -o /tmp/cache --size 32
voxgrad train -i /tmp/cache -o /tmp/run --widths 4 6 8 8 8 --folds 4 --epochs 1
voxgrad predict -i /tmp/cases -o /tmp/segmentations -m /tmp/run
voxgrad evaluate -g /tmp/cases -p /tmp/segmentations -o /tmp/summary.json
test -s "$root/tmp/summary.json"
id="$(basename "$(find "$root/tmp/cases" -mindepth 1 -maxdepth 1 -type d | sort | head -n 1)")"
voxgrad overlay -i "/tmp/cases/$id" -s "/tmp/segmentations/$id.nii.gz" -o /tmp/overlay.png | tee "$out"
says "no font" "$out"
if grep -q Fontconfig "$out"; then exit 1; fi
test "$(head -c 4 "$root/tmp/overlay.png" | tail -c 3)" = PNG
if [ -e "$build/vox_bench" ]; then voxgrad bench kernel --op relu --shape 8@4^3 --pass forward --rounds 1; fi
