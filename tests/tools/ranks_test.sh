#!/usr/bin/env bash
# Ranks under mpirun: the communicator keeps its contract, and whatever fails, all end with one code and one message.
#   ranks_test.sh PROGRAM BUILD
set -uo pipefail
program="$1"
build="$2"
if [ ! -x "$build/vox_rank_tests" ]; then
  echo "skipped: this build has no MPI"
  exit 77
fi
if ! command -v mpirun >/dev/null; then
  echo "skipped: mpirun is not installed"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset OMPI_MCA_rmaps_base_oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { # N COMMAND...
  local n="$1"
  shift
  timeout 120 mpirun --quiet --oversubscribe -n "$n" "$@" 2>&1
}
bad=0
ends() { # N MODE CODE TEXT: what is said once, a pattern, or nothing
  local out="$work/$1-$2" code
  ranks "$1" "$build/vox_rank_tests" "$2" >"$out"
  code=$?
  if [ "$code" != "$3" ]; then
    echo "$1 ranks, $2: mpirun ended with $code, wants $3"
    bad=1
  fi
  # shellcheck disable=SC2053
  if [[ "$(grep '^said: ' "$out")" != ${4:+said: $4} ]]; then
    echo "$1 ranks, $2: wants '$4', not this:"
    cat "$out"
    bad=1
  fi
  if grep -E '^code ' "$out" | grep -vqx "code $3"; then
    echo "$1 ranks, $2: not all ended with $3:"
    cat "$out"
    bad=1
  fi
}

for n in 1 2 3 5; do ends "$n" contract 0 ""; done
ends 4 fault 3 "rank 3: case 7: no such file"
ends 4 storm 3 "rank 3: gone"
ends 4 two 5 "rank 1: loss of rank 1"
ends 3 all 4 "batch 64 does not fit"
ends 3 at-end 4 "rank 2: std::bad_alloc"
ends 3 computing 3 "rank 2: case 7: no such file"
ends 3 killed 137 ""
export VOXGRAD_RANK_TIMEOUT=1
ends 3 late 0 ""
# Whichever comes to its limit first.
ends 3 different 6 "rank [012]: rank * not come to the * within 1 s (VOXGRAD_RANK_TIMEOUT)"
ends 3 stopped 6 "rank [01]: rank 2 has not come to the all-gather of 24 bytes within 1 s (VOXGRAD_RANK_TIMEOUT)"
ends 3 absent 6 "rank [01]: rank 2 has not come to the barrier within 1 s (VOXGRAD_RANK_TIMEOUT)"

# The program: rank 0 alone speaks, one error is one message, and verbs of one rank say so.
says() { # N CODE TEXT ARGUMENTS...: mpirun ends so, and stdout and stderr together are this
  local n="$1" want="$2" text="$3" out code
  shift 3
  out="$(ranks "$n" "$program" "$@")"
  code=$?
  if [ "$code" != "$want" ] || [ "$out" != "$text" ]; then
    echo "$n ranks, voxgrad $*: ended with $code, wants $want, and said:"
    echo "$out"
    bad=1
  fi
}
says 3 0 "$("$program" --version)" --version
says 3 2 "voxgrad: 'info' works on one rank, and here are 3: start it without mpirun or srun (train, prepare, predict, evaluate, doctor take several)" info x
VOXGRAD_RANK_TIMEOUT=soon says 2 2 "voxgrad: VOXGRAD_RANK_TIMEOUT is 'soon', wants seconds, 0 for no limit" doctor
# What doctor says of three ranks: each of them, and 7 sizes of 3 calls and the barrier.
ranks 3 "$program" doctor --json >"$work/doctor.json" || bad=1
if [ "$(grep -c '"host"' "$work/doctor.json")" != 3 ] || [ "$(grep -c '"call"' "$work/doctor.json")" != 22 ] ||
  ! grep -q '"communicator": "MPI, ' "$work/doctor.json"; then
  echo "doctor --json of three ranks is not what it should be:"
  cat "$work/doctor.json"
  bad=1
fi
# The model of plan takes what doctor has measured.
if ! "$program" plan --ranks 1,3 --batch 6 --case-ms 100 --fabric "$work/doctor.json" >"$work/plan" 2>&1 || ! grep -q 'measured by doctor' "$work/plan"; then
  echo "plan --fabric does not take what doctor has printed: $(head -n 3 "$work/plan")"
  bad=1
fi
exit $bad
