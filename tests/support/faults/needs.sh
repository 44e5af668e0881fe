# For script tests of faults, as `. tests/support/faults/needs.sh PROGRAM BUILD`: $program and $injector, or the test is skipped.
program="$(realpath "$1")"
injector="$(realpath "$2")/libvox_faults.so"
if [ ! -e "$injector" ]; then
  echo "skipped: $injector is not built (with sanitizers it is not)"
  exit 77
fi
if ! command -v python3 >/dev/null; then
  echo "skipped: no python3"
  exit 77
fi
