#!/usr/bin/env bash
# tools/format_hook.sh lets formatted files through, refuses others by name, and looks at what is staged.
set -euo pipefail
cd "$(dirname "$0")/../.."
hook="$PWD/tools/format_hook.sh"
if ! { clang-format-14 --version || clang-format --version; } 2>/dev/null | grep -q 'version 14\.' || ! command -v git >/dev/null; then
  echo "skipped: git or clang-format 14 is not installed"
  exit 77
fi
repository="$(mktemp -d)"
trap 'rm -rf "$repository"' EXIT
cp .clang-format "$repository"
cd "$repository"
git init -q .
commit() { git -c user.name=n -c user.email=e commit -q -m m; }
fail() {
  echo "$1"
  exit 1
}
mkdir -p .git/hooks
ln -sf "$hook" .git/hooks/pre-commit
good='int f() { return 1; }'
bad='int  f( ) {return 1;}'
echo "$bad" >notes.txt
echo "$good" >"a b.cpp"
git add .
commit || fail "a formatted file, and a file that is no source, were refused"
echo "$bad" >a.cu
git add a.cu
if commit 2>said; then fail "a file that is not formatted was committed"; fi
grep -q '^  a.cu$' said || fail "the refusal does not name a.cu: $(cat said)"
echo "$good" >a.cu
if commit 2>said; then fail "the file was formatted and not staged, and what is staged was committed"; fi
git add a.cu
commit || fail "the file was formatted and staged, and refused"
echo "$bad" >a.cu
git rm -q --cached "a b.cpp"
commit || fail "a file that is removed was refused, or one that is not staged"
