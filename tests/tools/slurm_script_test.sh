#!/usr/bin/env bash
# docs/examples/train.slurm: bash reads it, the program has its options, it resumes what is there, goes back into the queue
# after SIGTERM and only then, and ends with the exit code of the ranks. srun and scontrol are made up here.
script="$PWD/docs/examples/train.slurm"
help="$PWD/tests/golden/help/train.txt"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
fail() {
  echo "$*"
  bad=1
}
bash -n "$script" || fail "bash does not read it"
for option in $(sed -n '/^  voxgrad train/p' "$script" | grep -oE -- '--[a-z-]+') --resume --device; do
  grep -qE -- "(^ *|,)$option( |,|$)" "$help" || fail "voxgrad train has no option $option"
done
mkdir bin run
cat >bin/srun <<'END'
#!/bin/bash
echo "$@" >>srun.txt
while [ "$1" != voxgrad ]; do shift; done
[ "$CHECKPOINT" = no ] || touch run/last.safetensors
exit "$CODE"
END
cat >bin/scontrol <<'END'
#!/bin/bash
echo "$@" >>scontrol.txt
END
chmod +x bin/*
turn() { # CODE ARGUMENT...: a turn of the job whose ranks end with this code
  rm -f srun.txt scontrol.txt
  CODE="$1" SLURM_JOB_ID=17 SLURM_CPUS_PER_TASK=8 PATH="$work/bin:$PATH" bash "$script" "${@:2}" >/dev/null
  [ $? = "$1" ] || fail "ends with $? after ranks that end with $1"
}
CHECKPOINT=no turn 130 cache run
[ ! -e scontrol.txt ] || fail "goes back into the queue without a checkpoint, and would for ever"
turn 130 cache run --epochs 9
grep -q -- '--resume' srun.txt && fail "resumes what is not there"
grep -q -- '--cpus-per-task=8 .*voxgrad train --input cache --output run .*--epochs 9$' srun.txt || fail "starts $(cat srun.txt)"
[ "$(cat scontrol.txt)" = "requeue 17" ] || fail "is not queued again after SIGTERM"
turn 0 cache run
grep -q -- '--resume' srun.txt || fail "does not resume what is there"
[ ! -e scontrol.txt ] || fail "is queued again though it is done"
turn 3 cache run
[ ! -e scontrol.txt ] || fail "is queued again after an error in the data"
SLURM_JOB_ID=17 bash "$script" cache >/dev/null 2>&1
[ $? = 2 ] || fail "takes too few arguments"
exit $bad
