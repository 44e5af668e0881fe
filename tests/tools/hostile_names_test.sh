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
mkdir segmented
ln -s "$work/elsewhere.nii.gz" "segmented/$html.nii.gz" # a result whose name is a link: the link stays
quiet predict -i data -o segmented -m run
[ -L "segmented/$html.nii.gz" ] && [ -f elsewhere.nii.gz ] || fail "predict: a link was replaced, and not what it leads to"
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
mkfifo pipes/weights.pth pipes/weights.h5 pipes/log.jsonl
refused 3 'weights.pth: is no regular file' import --from torch pipes/weights.pth -o imported.safetensors
refused 3 'weights.h5: is no regular file' import --from keras pipes/weights.h5 -o imported.safetensors
refused 3 'log.jsonl: is no regular file' report pipes
rm pipes/last.safetensors
refused 3 'log.jsonl: is no regular file' compare --bits pipes pipes
mv run/env.json run/env.old && mkfifo run/env.json
refused 3 'env.json: is no regular file' report run
rm run/env.json && mv run/env.old run/env.json

# Pickles are programs: this one would make a file. They are refused by their first bytes, whatever their name.
printf "cposix\nsystem\n(S'touch ran6'\ntR." >evil.pth
printf '\200\002cposix\nsystem\nX\012\000\000\000touch ran7\205R.' >evil.safetensors
printf 'PK\003\004                          archive/data.pkl' >evil.pt
for file in evil.pth evil.safetensors evil.pt; do
  said='pickle' && [ $file = evil.pt ] && said="torch"
  refused 3 "$said" predict -i data -o segmented -m $file
  refused 3 "$said" export -m $file -o exported.onnx
  refused 3 "$said" train -i cache -o warm --init-from $file --widths 1 1 1 --folds 2 --epochs 1
  refused 3 "$file" import --from torch $file -o imported.safetensors
  refused 3 "$file" import --from keras $file -o imported.safetensors
done
for file in ran* warm/ran*; do [ -e "$file" ] && fail "$file: a pickle was run"; done
[ -e imported.safetensors ] && fail "import left a file of what it refused"

# An image that claims more than this machine has is refused and named, and the other case is done.
mkdir large
cp -r -- "data/$shell" "data/$html" large/
for image in large/"$html"/*flair* large/"$html"/*t2f*; do
  [ -e "$image" ] || continue
  { gunzip -cf -- "$image" | head -c 42 && printf '\0\50\0\50\0\50' && gunzip -cf -- "$image" | tail -c +49 | head -c 304; } | gzip -c >claims
  mv claims "$image" && truncate -s 4G -- "$image"
done
refused 3 'too large for this machine' predict -i large -o large_out -m run
[ -f "large_out/$shell.nii.gz" ] || fail "predict: a case that does not fit kept the other from being done"
[ -e "large_out/$html.nii.gz" ] && fail "predict: a result of a case that was refused"
refused 3 'BT-002' check -i large
exit $bad
