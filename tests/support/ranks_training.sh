# For script tests of training on several ranks, as `. tests/support/ranks_training.sh PROGRAM` in an empty folder after
# mpirun.sh: makes a cache of 12 cases of 16^3, nine of them to train, and defines
#   train RANKS RUN OPTION...   voxgrad train on so many ranks; what it says goes to RUN.out and RUN.err. $lr, 1e-2, and
#                               $cache may be others
#   weights RUN                 SHA-256 of all tensors of last.safetensors
#   steps RUN                   lines of the log of steps and epochs, without times
#   same WHAT RUN RUN           both of two runs are equal
bad=0
fail() {
  echo "$*"
  bad=1
}
"$program" synth -o raw --cases 12 --seed 5 --size 24 24 24 --threads 1 >/dev/null 2>&1 || exit 1
"$program" prepare -i raw -o cache --recipe zscore --size 16 --threads 1 >/dev/null 2>&1 || exit 1
small=(--widths 2 2 2 --folds 4 --digest 1 --tensorboard off --report off)
train() {
  local ranks="$1" run="$2" launch=()
  shift 2
  if [ "$ranks" != 1 ]; then launch=(on_ranks "$ranks"); fi
  "${launch[@]}" "$program" train -i "${cache:-cache}" --lr "${lr:-1e-2}" -o "$run" "${small[@]}" "$@" >>"$run.out" 2>>"$run.err"
}
weights() {
  local header
  header="$(od -An -t u8 -N 8 "$1/last.safetensors")"
  tail -c "+$((9 + header))" "$1/last.safetensors" | sha256sum | cut -d ' ' -f 1
}
steps() {
  grep -E '"type": ?"(step|epoch)"' "$1/log.jsonl" |
    sed -E 's/"([a-z_]*seconds|samples_per_second|peak_[a-z]*_bytes)": ?[0-9.e+-]+,? ?//g'
}
same() {
  [ "$(weights "$2")" = "$(weights "$3")" ] || fail "$1: other weights"
  diff <(steps "$2") <(steps "$3") >differences || fail "$1: another log: $(head -n 4 differences | cut -c 1-400)"
}
