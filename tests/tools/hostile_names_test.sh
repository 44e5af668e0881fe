#!/usr/bin/env bash
# Names that a shell, a terminal, gnuplot or a browser would obey are names and nothing else: nothing is run, no control
# character reaches a terminal, nothing is written outside the folder that was asked for.
program="$(realpath "$1")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export LC_ALL=C
bad=0
fail() {
  echo "$*"
  bad=1
}
quiet() { # ARGUMENT...: exits 0
  "$program" "$@" >said 2>&1 || fail "$1: exit $?: $(cat -v said)"
}
refused() { # CODE WORDS ARGUMENT...
  local code="$1" words="$2" found
  shift 2
  timeout 20 "$program" "$@" >said 2>&1
  found=$?
  if [ $found != "$code" ] || ! grep -qF -- "$words" said; then fail "$*: exit $found, '$(cat -v said)', wants $code and '$words'"; fi
}
no_control() { # WHAT: of what was said, nothing but lines
  if grep -qP '[\x00-\x08\x0b-\x1f\x7f]' said; then fail "$1: a control character was printed: $(cat -v said)"; fi
}

"$program" synth -o raw --cases 2 --size 32 32 32 >/dev/null 2>&1 || fail synth
one="$(basename "$(ls -d raw/*/ | head -n 1)")"
two="$(basename "$(ls -d raw/*/ | tail -n 1)")"
mkdir data
rename() { # ID NEW
  local to="data/$2" file
  mkdir -p -- "$to"
  for file in "raw/$1/"*; do cp -- "$file" "$to/$2${file##*/"$1"}"; done
}
# shellcheck disable=SC2016
shell='-$(touch ran1)`touch ran2`;touch ran3|'\''"&'
html='<script>alert(1)<!--'
rename "$one" "$shell"
rename "$two" "$html"
quiet check -i data
quiet prepare -i data -o cache --recipe zscore --size 8
mkdir truth
for folder in data/*/; do cp -- "$folder"/*_seg.nii* truth/ 2>/dev/null || cp -- "$folder"/*-seg.nii* truth/; done
quiet evaluate -p truth -g truth --report scores.html --csv scores.csv
grep -qF '<script>alert(1)' scores.html && fail "scores.html: a name is markup"
quiet overlay -i data --case "$shell" -s "truth/$(ls truth | grep touch)" -o overlay.png
quiet train -i cache -o run --widths 1 1 1 --folds 2 --epochs 1 --device cpu
quiet predict -i data -o segmented -m run
for id in "$shell" "$html"; do [ -f "segmented/$id.nii.gz" ] || fail "predict: no segmented/$id.nii.gz"; done
if command -v gnuplot >/dev/null; then
  mkdir runs
  # shellcheck disable=SC2016
  for name in "a'; system('touch ran4') #" '`touch ran5`' '</text><script>alert(1)</script>'; do
    quiet plot run -o plot.svg --name "$name"
    grep -qF '<script>alert(1)' plot.svg && fail "plot.svg: a name is markup"
  done
fi
quiet report run
grep -rqF '<script>alert(1)' run/*.html && fail "report: a name is markup"
for file in ran*; do [ -e "$file" ] && fail "$file: a name was run"; done
for file in cache/ran* segmented/ran* run/ran* data/ran*; do [ -e "$file" ] && fail "$file: a name was run"; done

# A terminal's orders: in a list, in names of files, in what a file says of itself.
printf 'id,t1,t1ce,t2,flair\n\033]0;owned\007,a,b,c,d\n' >list.csv
refused 3 "cannot be a file's name" check -i list.csv
no_control list.csv
printf '[{"id":"../../up","t1":"a"}]' >up.json
refused 3 "cannot be a file's name" predict -i up.json -o segmented -m run
[ -e up.nii.gz ] && fail "predict wrote above its folder"
esc="$(printf 'x\033[2J\233y')"
rename "$one" "$esc"
refused 3 'control character' check -i data
no_control "a file's name"
rm -r "data/$esc"
refused 3 '\x1b[2J' predict -i data -o segmented -m "$esc.safetensors"
no_control "a path"
refused 2 '\x1b[2J' check -i data "$esc"
no_control "an argument"

# A pipe where a file is wanted does not hang.
mkdir pipes
mkfifo pipes/dataset.json pipes/case.safetensors pipes/a_t1.nii pipes/last.safetensors pipes/list.csv
refused 3 'no regular file' predict -i data -o segmented -m pipes/case.safetensors
refused 3 'list.csv' check -i pipes/list.csv
refused 3 'pipes' predict -i data -o segmented -m pipes
exit $bad
