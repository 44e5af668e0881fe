#!/usr/bin/env bash
# Ranks on three hosts: network namespaces with names of their own, joined by a bridge, so that bytes go over TCP and
# not through memory. Where the kernel has netem, with 2 ms of delay and 1 % of loss. A cable is pulled, too.
#   ranks_network_test.sh PROGRAM BUILD
set -uo pipefail
build="$2"
if [ ! -x "$build/vox_rank_tests" ]; then
  echo "skipped: this build has no MPI"
  exit 77
fi
for needed in mpirun ip unshare; do
  if ! command -v "$needed" >/dev/null; then
    echo "skipped: $needed is not installed"
    exit 77
  fi
done
id="vx$$"
id="${id:0:8}"
work="$(mktemp -d)"
clean() {
  for node in a b c; do ip netns pids "$id$node" 2>/dev/null | xargs -r kill -9 2>/dev/null; done
  for node in a b c; do ip netns del "$id$node" 2>/dev/null; done
  ip netns del "${id}sw" 2>/dev/null
  rm -rf "$work"
}
trap clean EXIT
if [ "$(id -u)" -ne 0 ] || ! ip netns add "${id}sw" 2>/dev/null || ! ip -n "${id}sw" link add br0 type bridge 2>/dev/null; then
  echo "skipped: network namespaces with a bridge want root and a kernel that has them"
  exit 77
fi
ip -n "${id}sw" link set br0 up
number=0
netem=yes
for node in a b c; do
  number=$((number + 1))
  ip netns add "$id$node"
  ip -n "${id}sw" link add "port$node" type veth peer name eth0 netns "$id$node"
  ip -n "${id}sw" link set "port$node" master br0 up
  ip -n "$id$node" addr add "10.77.0.$number/24" dev eth0
  ip -n "$id$node" link set lo up
  ip -n "$id$node" link set eth0 up
  ip netns exec "$id$node" tc qdisc add dev eth0 root netem delay 2ms loss 1% 2>/dev/null || netem=no
done
echo "delay and loss: $netem"

# What mpirun takes for ssh: the host's name is its namespace's.
cat >"$work/shell" <<'SHELL'
#!/bin/bash
host="$1"
shift
exec ip netns exec "$host" unshare --uts bash -c "hostname $host; $*"
SHELL
chmod +x "$work/shell"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { # MODE SECONDS: two ranks on a and b each, one on c
  timeout "$2" "$work/shell" "${id}a" mpirun --quiet --host "${id}a:2,${id}b:2,${id}c:1" --bind-to none \
    --mca plm_rsh_agent "$work/shell" --mca btl self,vader,tcp --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 \
    -x VOXGRAD_RANK_TIMEOUT "$(realpath "$build")/vox_rank_tests" "$1" 2>&1
}
bad=0
ends() { # MODE CODE TEXT, a pattern
  local code
  ranks "$1" 120 >"$work/out"
  code=$?
  # shellcheck disable=SC2053
  if [ "$code" != "$2" ] || [[ "$(grep '^said: ' "$work/out")" != ${3:+said: $3} ]]; then
    echo "$1: mpirun ended with $code, wants $2 and '$3':"
    cat "$work/out"
    bad=1
  fi
}
export VOXGRAD_RANK_TIMEOUT=600
ends contract 0 ""
ends fault 3 "rank 4 on ${id}c: case 7: no such file"
ends storm 3 "rank 4 on ${id}c: gone"
export VOXGRAD_RANK_TIMEOUT=1
ends stopped 6 "rank [0-3] on ${id}[ab]: rank 4 on ${id}c has not come to the all-gather of 40 bytes within 1 s (VOXGRAD_RANK_TIMEOUT)"
# A pulled cable: every rank ends, on both sides. mpirun itself may wait for its daemon beyond it for as long as it likes.
ranks endless 120 >"$work/out" &
sleep 4
living() { for node in a b c; do ip netns pids "$id$node" | xargs -r ps -o comm= -p | grep -x vox_rank_tests; done; }
if [ "$(living | wc -l)" != 5 ]; then
  echo "five ranks should be at work:"
  cat "$work/out"
  bad=1
fi
ip -n "${id}sw" link set portc down
begin=$SECONDS
while [ -n "$(living)" ] && [ $((SECONDS - begin)) -lt 60 ]; do sleep 0.5; done
echo "a pulled cable: no rank is left after $((SECONDS - begin)) s"
if [ -n "$(living)" ] || ! grep -q "^said: .*rank 4 on ${id}c has not come" "$work/out"; then
  echo "after a pulled cable ranks are left, or none said which one did not come:"
  cat "$work/out"
  bad=1
fi
exit $bad
