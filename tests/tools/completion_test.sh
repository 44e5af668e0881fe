#!/usr/bin/env bash
# Shells complete what the program takes: bash, and zsh and fish where they are installed.
program="$(readlink -f "$1")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bad=0
expect() { # WHAT WORDS WANTED: a word among the words
  if ! grep -qxF -- "$3" <<<"$2"; then
    echo "$1: wants '$3', has: $(tr '\n' ' ' <<<"$2")"
    bad=1
  fi
}
refuse() { # WHAT WORDS UNWANTED
  if grep -qxF -- "$3" <<<"$2"; then
    echo "$1: has '$3'"
    bad=1
  fi
}
for shell in bash zsh fish; do
  if ! "$program" completion "$shell" >"$work/$shell" || [ ! -s "$work/$shell" ]; then
    echo "completion $shell prints nothing"
    bad=1
  fi
done
if "$program" completion csh >/dev/null 2>&1; then
  echo "completion csh does not fail"
  bad=1
fi

in_bash() { # WORDS...: what completes the last one
  bash --norc -c '
    source "$0"
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _voxgrad
    printf "%s\n" "${COMPREPLY[@]}"' "$work/bash" voxgrad "$@"
}
expect 'bash: ev' "$(in_bash ev)" evaluate
expect 'bash: predict --la' "$(in_bash predict --la)" --labels
expect 'bash: predict --la' "$(in_bash predict --la)" --layout
expect 'bash: predict --layout b' "$(in_bash predict --layout b)" bids
expect 'bash: predict --layout=b' "$(in_bash predict --layout = b)" brats
expect 'bash: prepare --recipe n' "$(in_bash prepare --recipe n)" native
expect 'bash: evaluate --labels m' "$(in_bash evaluate --labels m)" msd
refuse 'bash: predict --layout b' "$(in_bash predict --layout b)" --labels
expect 'bash: completion f' "$(in_bash completion f)" fish
touch "$work/scan one.nii.gz"
expect 'bash: check -i FILE' "$(cd "$work" && in_bash check -i scan)" 'scan one.nii.gz'
refuse 'bash: check --threads s' "$(cd "$work" && in_bash check --threads sc)" 'scan one.nii.gz'

if command -v fish >/dev/null; then
  in_fish() { HOME="$work" fish --no-config -c "source $work/fish; complete -C '$1'" 2>&1 | cut -f1; }
  expect 'fish: pre' "$(in_fish 'voxgrad pre')" predict
  expect 'fish: predict --la' "$(in_fish 'voxgrad predict --la')" --layout
  expect 'fish: predict --layout b' "$(in_fish 'voxgrad predict --layout b')" bids
  refuse 'fish: check --strict' "$(in_fish 'voxgrad check --s')" --seed
else
  echo "no fish here: not tested"
fi
if command -v zsh >/dev/null; then
  # _describe and compadd are replaced by what prints their words: a completion widget wants a terminal.
  in_zsh() { # WORDS...
    zsh -f -c '
      script=$1; shift
      compdef() { : }; _files() { print -r -- FILES }; _message() { print -r -- VALUE }
      _describe() { print -rl -- "${(@)${(P)2}%%:*}" }
      compadd() { shift; print -rl -- "$@" }
      source $script
      words=("$@"); CURRENT=$#; _voxgrad' zsh "$work/zsh" voxgrad "$@"
  }
  expect 'zsh: ev' "$(in_zsh ev)" evaluate
  expect 'zsh: predict --la' "$(in_zsh predict --la)" --layout
  expect 'zsh: predict --layout b' "$(in_zsh predict --layout b)" bids
  expect 'zsh: check -i' "$(in_zsh check -i '')" FILES
  expect 'zsh: check --threads' "$(in_zsh check --threads '')" VALUE
else
  echo "no zsh here: not tested"
fi
exit $bad
