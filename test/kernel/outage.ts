/** Seconds that kernel and initiator give a command: a host takes long to start in emulation, an image of Ceph is locked for 30 s after a crash. */
const TIME_OUT = 120

/** Functions for disks whose storage, or host, goes away under a load. */
export const outage = `
  # patient NAME, patient_disk DISK: the kernel waits for its commands for that long, and so does the disk. The former goes before any LUN.
  patient() { echo ${TIME_OUT} > $core/$1/attrib/cmd_time_out || fail 'cmd_time_out'; }
  patient_disk() { echo ${TIME_OUT} > /sys/block/$1/device/timeout; }
  # load DISK: each of 1024 blocks is written once, at a pace; when all are acknowledged, all are read and compared.
  load() {
    fio --name=v --filename=/dev/$1 --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --size=4M --iodepth=16 --rate_iops=,200 --sync=dsync \\
      --verify=crc32c --verify_fatal=1 --verify_state_save=0 > /run/fio.out 2>&1 & fio=$!
    sleep 2; loaded
  }
  loaded() { kill -0 $fio 2> /dev/null || { cat /run/fio.out; tail -n 20 /run/host.log; fail 'fio ended'; }; }
  # stalled DISK SECONDS: for that long no write ends, and fio waits.
  written() { awk '{ print $5 }' /sys/block/$1/stat; }
  stalled() { local before; sleep 1; before=$(written $1); sleep $2; equal "written in $2 s" $(written $1) $before; loaded; }
  unloaded() {
    wait $fio || { cat /run/fio.out; tail -n 20 /run/host.log; dmesg | tail; fail 'fio found an error'; }
    grep -q 'err= 0' /run/fio.out || { cat /run/fio.out; fail 'fio found an error'; }
    dmesg | grep -iE 'broken|I/O error|offlin' && fail 'the kernel complains'
    no_d_state; grep -oE '(read|write): IOPS[^(]*' /run/fio.out
  }
  sum() { dd if=/dev/$1 bs=64k iflag=direct status=none | sha256sum | cut -d ' ' -f 1; }
  size() { blockdev --getsize64 /dev/$1; }
  grown() { echo 1 > /sys/block/$1/device/rescan; [ "$(size $1)" = "$2" ]; }`
