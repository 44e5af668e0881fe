#!/usr/bin/env bash
# The pages of a run, an evaluation and a bench in headless Chromium: tables sort, sliders move, pictures have pixels, no
# error is thrown, nothing is asked of a network, and names of cases that look like HTML are text.
program="$(realpath "$1")"
browser=""
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then browser="$name" && break; fi
done
if [ -z "$browser" ]; then
  echo "skipped: no chromium"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
fail() {
  echo "$*"
  bad=1
}
chromium() { # OPTION... URL
  HOME="$work" timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --no-first-run --disable-extensions \
    --disable-background-networking --user-data-dir="$work/profile" "$@" 2>/dev/null
}
check() { # PAGE PATTERN...: what its self-test must have found
  local page="$1" found
  shift
  if grep -qE 'https?:' "$page"; then fail "$page: names an address of a network: $(grep -oE 'https?:.{20}' "$page" | head -n 1)"; fi
  grep -q "Content-Security-Policy\" content=\"default-src 'none'" "$page" || fail "$page: has no policy that forbids the network"
  found="$(chromium --virtual-time-budget=20000 --dump-dom "file://$work/$page#selftest" | grep -o '<pre id="selftest">.*</pre>')"
  for pattern in '"faults":\[\]' '"blank":0' "$@"; do
    grep -qE "$pattern" <<<"$found" || fail "$page: the self-test has no $pattern: $found"
  done
}
refused() { # WORDS ARGUMENT...: exits 2 and says so
  local words="$1" said code
  shift
  said="$("$program" "$@" 2>&1)"
  code=$?
  if [ $code != 2 ] || ! grep -qF "$words" <<<"$said"; then fail "$*: exit $code, '$said', wants 2 and '$words'"; fi
}

"$program" synth -o cases --cases 6 --seed 1 --size 32 32 32 >/dev/null || exit 1
odd='<b onload="x">&amp;</script>'
odd="${odd//\//}" # no slash in a file's name
mkdir "cases/$odd"
for file in cases/Synth_002/*; do
  name="$(basename "$file")"
  mv "$file" "cases/$odd/${name/Synth_002/$odd}"
done
rmdir cases/Synth_002
"$program" prepare -i cases -o cache --recipe zscore --size 16 --threads 1 >/dev/null || exit 1
train() { "$program" train -i cache --widths 4 4 6 6 --batch 2 --lr 1e-2 --folds 2 --threads 1 "$@" >log.txt 2>&1 || fail "train $*: $(cat log.txt)"; }

train -o run --epochs 3 --loss dice+ce
check run/report.html '"tables":2' '"rows":9' '"charts":13' '"tips":13' '"sliders":9' '"pictures":6'
grep -qF '"refresh_seconds":0' run/report.html || fail "the page of a run that has ended reads itself again"
chromium --virtual-time-budget=5000 --window-size=1200,2000 --screenshot="$work/page.png" "file://$work/run/report.html" >/dev/null
if [ "$(stat -c %s page.png 2>/dev/null || echo 0)" -lt 40000 ]; then fail "the picture of the page is blank or missing"; fi
rm run/report.html
"$program" report run >/dev/null || fail "report run: exit $?"
[ -s run/report.html ] || fail "report run: wrote no page"

echo '[{"train": ["Synth_001", "Synth_003"], "val": []}]' >splits.json
train -o blind --epochs 1 --splits splits.json
"$program" report blind -o blind.html | grep -q 'never validated' || fail "report does not say that a run was never validated"
check blind.html '"cases":0|"sliders":0' '"charts":[1-9]'
grep -q 'has not been validated yet' blind.html || fail "the page of a run that was never validated does not say so"
train -o off --epochs 1 --report off
for file in report.html data.json pictures.json; do
  [ ! -e "off/$file" ] || fail "train --report off wrote $file"
done
refused 'holds no run of voxgrad train' report cases
refused 'wants the folder of a run' report splits.json
mkdir -p series && cp -r run series/fold0
refused 'holds several runs' report series

"$program" predict -i cases -o predicted -m run --threads 1 >/dev/null 2>&1 || fail "predict: exit $?"
"$program" evaluate -g cases -p predicted --report evaluation.html --threads 1 >/dev/null 2>&1 || fail "evaluate --report: exit $?"
check evaluation.html '"tables":2' '"rows":12' '"charts":8' '"sliders":9' '"pictures":6'
"$program" evaluate -g cases -p predicted --as brats2020,nnunet --report both.html --threads 1 >/dev/null 2>&1 || fail "evaluate --as: exit $?"
for words in 'nnunet WT dice' 'Side by side' 'Why they differ'; do
  grep -qF "$words" both.html || fail "evaluate --as --report has no '$words'"
done
mkdir labels && cp cases/*/*_seg.nii.gz labels
"$program" evaluate -g labels -p predicted --report alone.html --threads 1 >/dev/null 2>&1 || fail "evaluate of label files: exit $?"
grep -q 'labels alone' alone.html || fail "evaluate --report does not say that there are no images"
for page in run/report.html evaluation.html; do
  grep -qF 'u003cb onload' "$page" || fail "$page: does not have the case whose name looks like HTML"
  if grep -qF '<b onload' "$page"; then fail "$page: the name of a case is HTML there"; fi
done

if [ -x "$(dirname "$program")/vox_bench" ]; then
  "$program" bench kernel --size 32 --op conv3d,relu --widths 8,16,16 --rounds 1 --least-seconds 1e-5 --threads 1 \
    --report bench.html >/dev/null 2>&1 || fail "bench kernel --report: exit $?"
  check bench.html '"tables":1' '"charts":1' '"tips":1'
fi
exit $bad
