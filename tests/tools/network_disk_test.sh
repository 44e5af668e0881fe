#!/usr/bin/env bash
# A folder on another machine: cases, cache and run on sshfs, whose server is a process here (SFTP through a pipe, no network).
# The same bits as on a local disk; a server that stands still for a while is waited for; one that is gone ends a run
# with exit 2 or 3 and words, and the run goes on when the folder is back.
#   network_disk_test.sh PROGRAM BUILD
program="$(realpath "$1")"
server="$(ls /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server 2>/dev/null | head -n 1)"
if ! command -v sshfs >/dev/null || [ -z "$server" ] || [ ! -r /dev/fuse ]; then
  echo "skipped: wants sshfs, openssh-sftp-server and /dev/fuse"
  exit 77
fi
work="$(mktemp -d)"
trap 'cd /; kill -CONT $(pgrep -f "^$work/sftp") 2>/dev/null; fusermount3 -u -z "$work/disk" 2>/dev/null || umount -l "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$OLDPWD/tests/support/ranks_training.sh"
mkdir served disk
printf '#!/bin/bash\nexec -a "%s/sftp" "%s"\n' "$work" "$server" >shell && chmod +x shell
mounted() { sshfs -o ssh_command="$work/shell" host:"$work/served" disk; }
if ! mounted 2>mount.err; then
  echo "skipped: sshfs cannot mount: $(head -n 1 mount.err)"
  exit 77
fi
cp -r raw served/raw
small+=(--batch 2 --threads 1)

"$program" prepare -i disk/raw -o disk/cache --recipe zscore --size 16 --threads 1 >prepare.out 2>&1 || fail "prepare: $(cat prepare.out)"
for file in cache/*.safetensors; do cmp -s "$file" "disk/$file" || fail "prepare: $file is not what it is on a local disk"; done
train 1 local --epochs 6 || fail "a run on a local disk: $(head -n 3 local.err)"
cache=disk/cache train 1 disk/run --epochs 3 2>/dev/null || fail "a run: $(head -n 3 disk/run.err)"
cache=disk/cache train 1 disk/run --epochs 6 --resume 2>/dev/null || fail "a run that goes on: $(head -n 3 disk/run.err)"
same 'a run on the disk' local disk/run
for where in disk local; do
  "$program" predict -i "$([ $where = disk ] && echo disk/)raw" -m local -o "$([ $where = disk ] && echo disk/)masks" --threads 1 >predict.out 2>&1 ||
    fail "predict: $(cat predict.out)"
done
diff -r masks disk/masks >/dev/null || fail 'predict: other masks than on a local disk'

begin() { # RUN: $process, when it has made steps
  rm -rf "disk/$1"
  "$program" train -i disk/cache --lr 1e-2 "${small[@]}" -o "disk/$1" --epochs 100000 >"$1.out" 2>"$1.err" &
  process=$!
  for _ in $(seq 1500); do
    if [ "$(grep -c '"type":"step"' "served/$1/log.jsonl" 2>/dev/null)" -ge 8 ] 2>/dev/null; then return; fi
    sleep 0.02
  done
  fail "$1: no steps: $(head -n 3 "$1.err")"
}
ended() { # $code, or 124 where it has not ended within half a minute
  for _ in $(seq 1500); do
    if ! kill -0 "$process" 2>/dev/null; then
      wait "$process"
      code=$?
      return
    fi
    sleep 0.02
  done
  kill -9 "$process"
  code=124
}
as_unbroken() { # WHAT RUN: gone on from, it is the run that nothing happened to
  local epochs
  epochs="$(($(grep -c '"type":"epoch"' "served/$2/log.jsonl") + 1))"
  cache=disk/cache train 1 "disk/$2" --epochs "$epochs" --resume 2>/dev/null || fail "$1, gone on from: $(tail -n 3 "disk/$2.err")"
  rm -rf whole
  train 1 whole --epochs "$epochs" || fail "a run of $epochs epochs: $(head -n 3 whole.err)"
  same "$1" whole "disk/$2"
}

begin waits
"$program" train -i disk/cache --lr 1e-2 "${small[@]}" -o disk/waits --epochs 1 >/dev/null 2>second.err
[ $? = 2 ] && grep -q 'is being written to by voxgrad train' second.err || fail "a second run in the folder: $(cat second.err)"
kill -STOP $(pgrep -f "^$work/sftp")
sleep 2
kill -0 "$process" || fail "a server that stands still: the run has ended: $(tail -n 1 waits.err)"
kill -CONT $(pgrep -f "^$work/sftp")
kill -TERM "$process"
ended
[ "$code" = 130 ] || fail "a server that stood still, SIGTERM: exit $code: $(tail -n 1 waits.err)"
as_unbroken 'a server that stood still' waits

begin gone
kill -9 $(pgrep -f "^$work/sftp")
ended
case "$code" in
  2 | 3) grep -q '^voxgrad: .*disk/.*: ' gone.err || fail "a server that is gone: says $(tail -n 2 gone.err)" ;;
  *) fail "a server that is gone: exit $code: $(tail -n 2 gone.err)" ;;
esac
fusermount3 -u -z disk 2>/dev/null
mounted || exit 1
as_unbroken 'a server that was gone' gone
exit $bad
