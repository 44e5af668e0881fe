#!/usr/bin/env bash
# A commit hook: refuses a commit whose C++ and CUDA files are not formatted as clang-format 14 formats them. It looks at
# what is staged, which may differ from the files in the tree, and changes nothing.
#   ln -s ../../tools/format_hook.sh .git/hooks/pre-commit
set -euo pipefail
format=""
for program in clang-format-14 clang-format; do
  if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
    format="$program"
    break
  fi
done
unformatted=()
while IFS= read -r -d '' file; do
  if [ -z "$format" ]; then
    echo "format_hook: clang-format 14 is not installed (Debian, Ubuntu: apt install clang-format-14), so $file was not checked." >&2
    echo "  git commit --no-verify commits without this check." >&2
    exit 1
  fi
  if ! git show ":$file" | "$format" --assume-filename="$file" --dry-run -Werror 2>/dev/null; then unformatted+=("$file"); fi
done < <(git diff --cached --name-only -z --diff-filter=ACMR -- '*.h' '*.cpp' '*.cu' '*.cuh')
if [ ${#unformatted[@]} -eq 0 ]; then exit 0; fi
{
  echo "format_hook: what is staged of these files is not formatted:"
  printf '  %s\n' "${unformatted[@]}"
  echo "Format and stage them, then commit again:"
  printf '  %s -i' "$format"
  printf ' %q' "${unformatted[@]}"
  printf ' && git add'
  printf ' %q' "${unformatted[@]}"
  echo
} >&2
exit 1
