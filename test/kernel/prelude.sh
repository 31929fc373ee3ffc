# step NAME COMMAND...: it has to succeed. refused NAME COMMAND...: it has to fail. Both end the script otherwise.
step() {
  local name=$1 output; shift
  if output=$(timeout "${LIMIT:-120}" "$@" 2>&1); then echo "ok $name"; last=$output; return; fi
  printf 'failed %s (%s):\n%s\n' "$name" "$*" "$output"; dmesg | tail -n 15; exit 1
}
refused() {
  local name=$1 output; shift
  if output=$(timeout "${LIMIT:-120}" "$@" 2>&1); then printf 'failed %s: %s went well\n%s\n' "$name" "$*" "$output"; exit 1; fi
  echo "ok $name"; last=$output
}
# says NAME TEXT: the last command printed it.
says() { grep -qF -- "$2" <<< "$last" || { printf 'failed %s: no "%s" in\n%s\n' "$1" "$2" "$last"; exit 1; }; echo "ok $1"; }
# record PORT [KEY VALUE]...: what open-iscsi knows of the target, without discovery. login PORT, logout PORT.
target=iqn.2026-11.host.tcmu:default
node() { local port=$1; shift; iscsiadm -m node -T $target -p 10.0.2.2:$port "$@"; }
record() {
  local port=$1; shift
  node $port -o delete > /dev/null 2>&1
  step "record" iscsiadm -m node -o new -T $target -p 10.0.2.2:$port
  while [ $# -gt 0 ]; do node $port -o update -n "$1" -v "$2" || exit 1; shift 2; done
}
login() { step login iscsiadm -m node -T $target -p 10.0.2.2:$1 --login; }
logout() { step logout iscsiadm -m node -T $target -p 10.0.2.2:$1 --logout; }
# disk LUN: its name below /dev, as soon as it is there.
disk() {
  local d i
  for i in $(seq 200); do
    for d in /sys/class/scsi_disk/*:"$1"; do [ -d "$d/device/block" ] && { ls "$d/device/block"; return; }; done
    sleep 0.1
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

mkdir -p /run/lock/iscsi
echo "InitiatorName=iqn.2026-11.test.kernel:vm" > /etc/iscsi/initiatorname.iscsi
dmesg -C
iscsid
