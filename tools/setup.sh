#!/usr/bin/env bash
# Installs what building voxgrad needs, from the distribution (Debian 12, Ubuntu 24.04 and later).
#   tools/setup.sh           install what is missing; does nothing, and quickly, where nothing is
#   tools/setup.sh --check   list what is there and what is missing; exit 1 if anything is
#   tools/setup.sh --tests   and clang, which builds for the sanitizers, a compiler and an emulator for 64-bit ARM, and what
#                            tests open our files with: a browser, shells, file systems, Python's packages (into build/python),
#                            and where there is an nvcc without them NVIDIA's disassemblers from PyPI, into $PREFIX/bin
#                            (/usr/local/bin)
set -euo pipefail

# PACKAGE, or PACKAGE:PROGRAM where another package may provide the program as well
packages=(cmake:cmake ninja-build:ninja g++:g++ pkg-config:pkg-config gnuplot-nox:gnuplot ccache:ccache
  libnifti-dev libfmt-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libxxhash-dev zlib1g-dev libdeflate-dev libcairo2-dev
  libprotobuf-dev protobuf-compiler:protoc libhdf5-dev libopenmpi-dev openmpi-bin:mpirun fonts-dejavu-core catch2 libbenchmark-dev doxygen:doxygen)
if [ "${1:-}" = --tests ]; then
  packages+=(clang:clang++ libclang-rt-dev zsh:zsh fish:fish man-db:man groff-base:groff python3-venv
    python3-fusepy xfsprogs:mkfs.xfs btrfs-progs:mkfs.btrfs sshfs:sshfs openssh-sftp-server)
  if [ "$(uname -m)" = x86_64 ]; then packages+=(g++-aarch64-linux-gnu:aarch64-linux-gnu-g++ qemu-user:qemu-aarch64); fi
  # Ubuntu's chromium is a snap, which sees no file outside the home folder.
  if grep -qx 'ID=debian' /etc/os-release; then packages+=(chromium:chromium); fi
fi

installed() { # PACKAGE[:PROGRAM]
  case "$1" in
    *:*) command -v "${1#*:}" >/dev/null && return 0 ;;
  esac
  [ "$(dpkg-query -W -f='${db:Status-Status}' "${1%%:*}" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this system has no apt. Install with its package manager what stands for these Debian packages," >&2
  echo "  then build as CONTRIBUTING.md says: ${packages[*]%%:*}" >&2
  exit 1
fi

# A CUDA Toolkit has cuobjdump, and nvdisasm, which it calls; nvcc alone does not bring them. They read the code of older
# compilers too. Without them tests/tree/machine_code_test.sh says what it leaves out, and nothing else misses them.
install_disassemblers() { # [sudo]
  local nvcc version folder to="${PREFIX:-/usr/local}/bin"
  nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || return 0
  if command -v cuobjdump >/dev/null || [ -x "$(dirname "$nvcc")/cuobjdump" ]; then return 0; fi
  version=$("$nvcc" --version | sed -n 's/^.*release \([0-9]*\.[0-9]*\).*/\1/p')
  folder=$(mktemp -d)
  echo "setup: installing cuobjdump and nvdisasm into $to"
  if ! python3 -m pip install --quiet --no-deps --target "$folder" "nvidia-cuda-cuobjdump>=$version" "nvidia-cuda-nvdisasm>=$version" ||
    ! "$@" install -D -m 755 -t "$to" "$folder"/nvidia/*/bin/nvdisasm "$folder"/nvidia/*/bin/cuobjdump; then
    echo "setup: no cuobjdump of CUDA $version or later was installed: tests read less of the machine code" >&2
  fi
  rm -rf "$folder"
}

# Tests that open our files as others do skip where these are not installed, and say so.
install_python_packages() {
  local folder="build/python" wanted="tests/support/python_requirements.txt"
  cd "$(dirname "$0")/.."
  if cmp -s "$wanted" "$folder/installed.txt"; then return 0; fi
  echo "setup: installing Python packages for the tests into $folder"
  rm -rf "$folder"
  if ! python3 -m venv "$folder" || ! "$folder/bin/python" -m pip install --quiet --only-binary :all: -r "$wanted"; then
    echo "setup: Python's packages were not installed: tests that need them are skipped" >&2
    rm -rf "$folder"
    return 0
  fi
  cp "$wanted" "$folder/installed.txt"
}

missing=()
for entry in "${packages[@]}"; do
  state=installed
  if ! installed "$entry"; then
    state=missing
    missing+=("${entry%%:*}")
  fi
  if [ "${1:-}" = --check ]; then printf '%-22s %s\n' "${entry%%:*}" "$state"; fi
done
if [ "${1:-}" = --check ]; then exit $((${#missing[@]} > 0)); fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
  elif [ ${#missing[@]} -gt 0 ]; then
    echo "setup: packages are missing and this user may not install them. Run this as root, then try again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
if [ "${1:-}" = --tests ]; then
  install_disassemblers "${as_root[@]}"
  install_python_packages
fi
