#!/usr/bin/env bash
# Fetches the libraries that voxgrad is linked with for 64-bit ARM, from this machine's Debian or Ubuntu, and unpacks them
# into a folder. Nothing is installed, and the machine's own list of packages stays as it is. For cmake --preset aarch64.
#   tools/sysroot.sh [FOLDER]     build-aarch64-sysroot
set -euo pipefail
folder="$(realpath -m "${1:-build-aarch64-sysroot}")"
if [ -e "$folder/complete" ]; then exit 0; fi
if ! command -v aarch64-linux-gnu-g++ >/dev/null; then
  echo "sysroot: there is no aarch64-linux-gnu-g++: on Debian and Ubuntu g++-aarch64-linux-gnu" >&2
  exit 1
fi
packages=(libc6-dev "libstdc++-$(aarch64-linux-gnu-g++ -dumpversion | cut -d . -f 1)-dev" libnifti-dev libfmt-dev libxxhash-dev zlib1g-dev
  libdeflate-dev libcairo2-dev libprotobuf-dev libhdf5-dev libtomlplusplus-dev libcli11-dev nlohmann-json3-dev catch2)
rm -rf "$folder"
mkdir -p "$folder"/apt/{etc,lists/partial,cache/archives/partial}
: >"$folder/apt/status"
# The machine's own sources; Ubuntu has what is not for x86 on other servers.
cp -r /etc/apt/sources.list.d "$folder/apt/etc/"
cat /etc/apt/sources.list >"$folder/apt/etc/sources.list" 2>/dev/null || true
if grep -qx 'ID=ubuntu' /etc/os-release; then
  find "$folder/apt/etc" -type f -exec sed -i -E 's#https?://[a-z.]*(archive|security)\.ubuntu\.com/ubuntu/?#http://ports.ubuntu.com/ubuntu-ports/#' {} +
fi
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$folder/apt"
  -o "Dir::State::status=$folder/apt/status" -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache"
  -o "Dir::Etc::sourcelist=$folder/apt/etc/sources.list" -o "Dir::Etc::sourceparts=$folder/apt/etc/sources.list.d"
  -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Languages=none)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends --download-only "${packages[@]}"
for package in "$folder"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$folder"; done
rm -rf "$folder/apt"
# What leads out of the folder leads into it.
find "$folder" -type l -lname '/*' | while read -r link; do ln -sfnr "$folder$(readlink "$link")" "$link"; done
touch "$folder/complete"
