/** Seconds that kernel and initiator give a command: in emulation a host takes long to start, and after a crash an image of Ceph is locked for 30 s. */
const TIME_OUT = 300
const BLOCKS = 1024

/** Functions for a disk whose storage, or host, goes away under a load. */
export const outage = `
  # patient NAME, patient_disk DISK: the kernel waits for its commands for that long, and so does the disk. The former goes before any LUN.
  patient() { echo ${TIME_OUT} > $core/$1/attrib/cmd_time_out || fail 'cmd_time_out'; }
  patient_disk() { echo ${TIME_OUT} > /sys/block/$1/device/timeout; }
  # load DISK: each of ${BLOCKS} blocks is written once, at a pace; when all are acknowledged, all are read and compared. Returns when it is under way.
  load() {
    from=$(written $1)
    fio --name=v --filename=/dev/$1 --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --size=$((${BLOCKS} * 4))k --iodepth=16 --rate_iops=,100 --sync=dsync \\
      --verify=crc32c --verify_fatal=1 --verify_state_save=0 > /run/fio.out 2>&1 & fio=$!
    while [ $(written $1) -lt $((from + 100)) ]; do loaded; sleep 0.1; done
  }
  loaded() { kill -0 $fio 2> /dev/null || broken 'fio ended'; }
  broken() { cat /run/fio.out; tail -n 20 /run/host.log; dmesg | tail; fail "$1"; }
  # Write commands that have ended.
  written() { awk '{ print $5 }' /sys/block/$1/stat; }
  # stalled DISK SECONDS: soon no write ends any more, for that long, though not all are done, and fio waits.
  stalled() {
    local before; sleep 2; before=$(written $1)
    [ $((before - from)) -lt ${BLOCKS} ] || fail 'the load was over before'
    sleep $2; equal "written in $2 s" $(written $1) $before; loaded
  }
  # unloaded DISK: the rest is written, and everything is there.
  unloaded() {
    wait $fio && grep -q 'err= 0' /run/fio.out || broken 'fio found an error'
    [ $(($(written $1) - from)) -ge ${BLOCKS} ] || fail 'not all was written'
    dmesg | grep -iE 'broken|I/O error|offlin' && fail 'the kernel complains'
    no_d_state; grep -oE '(read|write): IOPS[^(]*' /run/fio.out
  }
  # What the disk holds, in whole.
  sum() { dd if=/dev/$1 bs=64k iflag=direct status=none | sha256sum | cut -d ' ' -f 1; }
  grown() { echo 1 > /sys/block/$1/device/rescan; [ "$(blockdev --getsize64 /dev/$1)" = "$2" ]; }`
