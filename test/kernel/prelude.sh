# Limits are for what hangs: side by side on a busy machine two VMs run at a fifth of the speed of one alone.
# step NAME COMMAND...: it has to succeed. refused NAME COMMAND...: it has to fail. Both end the case (or the script) otherwise;
# what the command printed is in $last.
step() {
  local name=$1 output; shift
  if output=$(timeout "${LIMIT:-300}" "$@" 2>&1); then echo "ok $name"; last=$output; return; fi
  printf 'failed %s (%s):\n%s\n' "$name" "$*" "$output"; dmesg | tail -n 15; exit 1
}
refused() {
  local name=$1 output; shift
  if output=$(timeout "${LIMIT:-300}" "$@" 2>&1); then printf 'failed %s: %s went well\n%s\n' "$name" "$*" "$output"; exit 1; fi
  echo "ok $name"; last=$output
}
# says NAME TEXT: the last command printed it. equal NAME ACTUAL EXPECTED. fail TEXT.
says() { grep -qF -- "$2" <<< "$last" || { printf 'failed %s: no "%s" in\n%s\n' "$1" "$2" "$last"; exit 1; }; echo "ok $1"; }
equal() { [ "$2" = "$3" ] || { printf 'failed %s: it is "%s", not "%s"\n' "$1" "$2" "$3"; exit 1; }; echo "ok $1"; }
fail() { echo "failed: $*"; exit 1; }
# nap SECONDS: sleep without starting a process, six million instructions that whatever is waited for could have. Nobody writes to that pipe.
mkfifo /run/never; exec 9<> /run/never
nap() { read -rt "$1" <&9 || :; }
# eventually NAME COMMAND...: it succeeds within a minute.
eventually() {
  local name=$1 end=$((SECONDS + 60)); shift
  while [ $SECONDS -lt $end ]; do "$@" > /dev/null 2>&1 && { echo "ok $name"; return; }; nap 0.1; done
  fail "$name: not within 60 s: $*"
}
# --- the machine that runs the VM, in kernelCases. errand NAME WORD...: it does that for us; what it answers is in $last.
errand() {
  local answer
  exec 3<> "/dev/tcp/10.0.2.2/$errands" && echo "$*" >&3 && answer=$(cat <&3) || fail "errand $*: not sent"
  exec 3>&-; last=${answer#*$'\n'}
  [ "${answer%%$'\n'*}" = ok ] && echo "ok errand $*" || fail "errand $*: $last"
}
# own_loopback: 127.77.0.0/16 is the machine's, not ours, so that a storage there has the same address for both.
own_loopback() { echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; step route ip route add 127.77.0.0/16 via 10.0.2.2 dev eth0 src 10.0.2.15 table local; }

# --- open-iscsi. A portal is PORT, on the machine that runs the VM, or ADDRESS:PORT.
target=iqn.2026-11.host.tcmu:default
portal() { case $1 in *:*) echo "$1";; *) echo "10.0.2.2:$1";; esac; }
initiator() {
  pidof iscsid > /dev/null && return
  modprobe iscsi_tcp; mkdir -p /run/lock/iscsi
  echo "InitiatorName=iqn.2026-11.test.kernel:vm" > /etc/iscsi/initiatorname.iscsi
  iscsid
}
# record PORTAL [KEY VALUE]...: what open-iscsi knows of the target, without discovery. login PORTAL, logout PORTAL.
known() { local portal; portal=$(portal "$1"); shift; iscsiadm -m node -T $target -p "$portal" "$@"; }
record() {
  local portal=$1; shift
  initiator
  known "$portal" -o delete > /dev/null 2>&1
  step "record" iscsiadm -m node -o new -T $target -p "$(portal "$portal")"
  while [ $# -gt 0 ]; do known "$portal" -o update -n "$1" -v "$2" || exit 1; shift 2; done
}
login() { step login iscsiadm -m node -T $target -p "$(portal "$1")" --login; }
logout() { step logout iscsiadm -m node -T $target -p "$(portal "$1")" --logout; }
# disk LUN [HOST]: its name below /dev, as soon as it is there; HOST is the number of the SCSI host when there are several.
disk() {
  local d i
  for ((i = 0; i < 1600; i++)); do
    for d in /sys/class/scsi_disk/${2:-*}:*:"$1"/device/block/*; do [ -d "$d" ] && { echo "${d##*/}"; return; }; done
    nap 0.05
  done
  echo "LUN $1 does not come" >&2
}
# Messages of the kernel that say that something was not as it should be.
quiet() {
  local found
  found=$(dmesg | grep -Ei "error|fail|timed out|unexpected|doesn't support|assuming|invalid|exception|corrupt|rejected" | grep -v "$1")
  [ -z "$found" ] || { printf 'failed: the kernel says\n%s\n' "$found"; exit 1; }
  echo "ok quiet"; dmesg -C
}
verify() { step "fio $1" fio --name=v --filename="/dev/$1" --direct=1 --ioengine=libaio --rw=randrw --iodepth=16 --verify=crc32c --verify_fatal=1 --verify_state_save=0 "${@:2}"; }

# --- the host as the TCMU daemon. Its output is in /run/host.out and /run/host.log, its process id in /run/host.pid.
lio=/sys/kernel/config/target
core=$lio/core/user_0
daemon() { echo "$(< /run/host.pid)"; }
# serve [ARGUMENT]...: start it and wait until it is ready. Off the message bus unless --dbus is among the arguments.
serve() {
  local bus=--no-dbus i said
  case " $* " in *' --dbus '*) bus=;; esac
  : > /run/host.out
  tcmu-host serve --frontend tcmu $bus "$@" > /run/host.out 2>> /run/host.log < /dev/null 9>&- &
  echo $! > /run/host.pid
  for ((i = 0; i < 4800; i++)); do
    read -r said < /run/host.out && [[ $said = ready* ]] && { echo "ok serve"; return; }
    alive || { tail -n 20 /run/host.log; fail "the host ended"; }
    nap 0.05
  done
  tail -n 20 /run/host.log; fail "the host is not ready"
}
# Neither gone nor waited for.
alive() {
  local pid state=Z
  read -r pid < /run/host.pid; read -r _ _ state _ 2> /dev/null < "/proc/$pid/stat"
  [ "$state" != Z ]
}
# end_daemon SIGNAL: send it, wait until the process is gone.
end_daemon() {
  local i
  kill "-$1" "$(daemon)"
  for ((i = 0; i < 100 * 50; i++)); do alive || { echo "ok end by $1"; return; }; nap 0.02; done
  grep State "/proc/$(daemon)/status"; fail "the host does not end on $1"
}
# make NAME CFGSTRING BYTES [CONTROL]...: a backstore of HBA 0, made by hand; more control keys are written before it is enabled.
make() {
  local name=$1 cfgstring=$2 size=$3 option; shift 3
  mkdir -p "$core/$name"
  for option in "dev_config=$cfgstring" "dev_size=$size" "$@"; do printf %s "$option" > "$core/$name/control"; done
  timeout 240 sh -c "echo 1 > $core/$name/enable"
}
# backstore: the same, and it has to work. lun NUMBER NAME: as a LUN of the loopback fabric, where `disk NUMBER` finds it.
backstore() { make "$@" || { tail -n 5 /run/host.log; fail "backstore $1"; }; echo "ok backstore $1"; }
loopback=$lio/loopback/naa.5001405000000001/tpgt_1
lun() {
  [ -d $loopback ] || { mkdir -p $loopback; echo naa.5001405000000002 > $loopback/nexus; }
  mkdir -p "$loopback/lun/lun_$1"
  ln -s "$core/$2" "$loopback/lun/lun_$1/of_$2" && echo "ok lun $1" || fail "lun $1"
}
# unlun NUMBER, remove NAME: the reverse.
unlun() { rm "$loopback/lun/lun_$1"/of_* && rmdir "$loopback/lun/lun_$1" && echo "ok unlun $1" || fail "unlun $1"; }
remove() { LIMIT=120 step "remove $1" rmdir "$core/$1"; }
# exposed NUMBER NAME CFGSTRING BYTES [CONTROL]...: backstore and lun; sets $sd to the name of the disk.
exposed() { local number=$1; shift; backstore "$@"; lun "$number" "$1"; sd=$(disk "$number"); [ -n "$sd" ] || exit 1; }
# drive NAME: the device of a file of the test's.
drive() { local d; for d in /sys/block/vd*; do [ "$(cat "$d/serial")" = "$1" ] && echo "/dev/${d##*/}" && return; done; echo "no drive $1" >&2; }
# scratch: an ext4 of 2 GiB at /scratch, for what tmpfs cannot do.
scratch() {
  local d
  for d in /sys/block/vd*; do [ "$(cat "$d/serial")" = scratch ] && d=/dev/${d##*/} && break; done
  mkfs.ext4 -q -E nodiscard,lazy_itable_init=1 "$d" && mkdir -p /scratch && mount "$d" /scratch && echo "ok scratch" || fail scratch
}
# Processes that hang in the kernel: whoever reads a page of a file is in that state for a moment, so the same one, ten times.
no_d_state() {
  local stuck i
  for ((i = 0; i < 10; i++)); do
    stuck=$(ps -e -o stat=,pid=,comm= | grep '^D' | grep -v kworker) || { echo 'ok no D state'; return; }
    nap 0.5
  done
  printf 'failed: a process is stuck in the kernel\n%s\n' "$stuck"; exit 1
}
dmesg -C
