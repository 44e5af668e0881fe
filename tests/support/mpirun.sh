# For script tests, as `. tests/support/mpirun.sh PROGRAM`: skips the test where there is no mpirun or the program was built
# without MPI. Sets program, an absolute path, and defines
#   on_ranks N COMMAND...   mpirun of N ranks, of more than there are cores and as root, too; ended after a minute
program="$(realpath "$1")"
on_ranks() {
  local ranks="$1"
  shift
  timeout -k 5 60 mpirun --allow-run-as-root --oversubscribe -n "$ranks" "$@"
}
if ! command -v mpirun >/dev/null; then
  echo "skipped: no mpirun"
  exit 77
fi
if on_ranks 2 "$program" --version 2>&1 | grep -q 'VOX_MPI=ON'; then
  echo "skipped: a program without MPI"
  exit 77
fi
