#!/usr/bin/env bash
# The reference of the public headers (docs/Doxyfile) is made without a warning, and holds what they declare.
set -euo pipefail
if ! command -v doxygen >/dev/null; then
  echo "skipped: doxygen is not installed"
  exit 77
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
(cat docs/Doxyfile && echo "OUTPUT_DIRECTORY = $folder") | doxygen -
cd "$folder/html"
for name in gradcheck conv3d_forward UNet3d evaluate Training; do
  if ! grep -q ">$name<" ./*.html; then
    echo "the reference has no $name"
    exit 1
  fi
done
