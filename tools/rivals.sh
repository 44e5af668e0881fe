#!/usr/bin/env bash
# Makes a virtual environment with the software that `voxgrad bench --against` compares with: PyTorch and oneDNN from
# PyPI. Nothing of voxgrad needs any of it. Says which options to give then.
#   tools/rivals.sh FOLDER     outside of the source tree; about 6 GB with PyTorch
#   tools/rivals.sh FOLDER onednn | torch     one of them alone
set -euo pipefail
folder="${1:?rivals.sh wants a folder to install into}"
what="${2:-all}"
case "$what" in
  all) packages=(torch numpy onednn onednn-devel) ;;
  torch) packages=(torch numpy) ;;
  onednn) packages=(onednn onednn-devel) ;;
  *)
    echo "rivals: '$what' is none of: torch, onednn" >&2
    exit 2
    ;;
esac
python="${PYTHON:-python3}"
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "rivals: $python cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)" >&2
  exit 2
fi
"$python" -m venv "$folder"
folder=$(cd "$folder" && pwd)
"$folder/bin/pip" install --quiet --upgrade "${packages[@]}"
echo "rivals: $folder holds $("$folder/bin/pip" list 2>/dev/null | awk '$1 ~ /^(torch|onednn)$/ {printf "%s %s  ", $1, $2}')"
if [ "$what" != onednn ]; then
  echo "  PyTorch: build/voxgrad bench step --against torch --python $folder/bin/python"
fi
if [ "$what" != torch ]; then
  echo "  oneDNN:  cmake -S . -B build -DVOX_ONEDNN=$folder && cmake --build build --target vox_onednn"
  echo "           build/voxgrad bench kernel --against onednn"
fi
