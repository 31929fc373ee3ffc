import { kernelCases } from './cases'

/** Seconds that kernel and initiator give a command: a process takes longer to start here than on a real machine. */
const TIME_OUT = 300
const outside = '--handler-path /opt/tcmu/test/fixtures/handlers/outside'

const helpers = `
  host() { serve ${outside} "$@"; }
  # The process of the handler; empty while there is none.
  child() { pgrep -P "$(daemon)" -f device-host-main; }
  uio() { local n; for n in /sys/class/uio/*/name; do case $(cat "$n") in tcm-user/0/$1/*) n=\${n%/name}; echo "/dev/\${n##*/}"; return;; esac; done; }
  maps() { grep -q "$(uio "$1")\\$" "/proc/$2/maps"; }
  served() { maps o0 $(child) || { tail -n 20 /run/host.log; fail 'o0 is not served'; }; }
  # patient NAME: the kernel and the initiator wait that long for its commands.
  patient() { echo ${TIME_OUT} > $core/$1/attrib/cmd_time_out; }
  patient_disk() { echo ${TIME_OUT} > /sys/block/$1/device/timeout; }
  load() { fio --name=v --filename=/dev/$1 --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=16 --verify=crc32c --verify_backlog=256 \\
    --verify_fatal=1 --verify_state_save=0 --time_based --runtime=3600 > /run/fio.out 2>&1 & fio=$!; }
  loaded() { kill -0 $fio 2> /dev/null || { cat /run/fio.out; tail -n 20 /run/host.log; fail 'fio ended'; }; }
  unloaded() {
    sleep 1; loaded; kill -INT $fio; wait $fio
    grep -q 'err= 0' /run/fio.out || { cat /run/fio.out; tail -n 20 /run/host.log; fail 'fio found an error'; }
    dmesg | grep -iE 'broken|I/O error|offlin' && fail 'the kernel complains'
    no_d_state; grep -oE '(read|write): IOPS[^(]*' /run/fio.out
  }
  await_long() { local end=$((SECONDS + 200)); while [ $SECONDS -lt $end ]; do eval "$2" && { echo "ok $1"; return; }; nap 0.1; done; tcmu-host devices; tail -n 30 /run/host.log; fail "$1"; }
  state() { tcmu-host devices | awk -v name=$1 '$2 == name { print $4 }'; }
  blocked() { cat $core/$1/action/block_dev; }
  read_one() { dd if=/dev/$1 of=/dev/null bs=4k count=1 iflag=direct status=none; }`

kernelCases('handlers in processes of their own', {
  processors: 2,
  setup: `${helpers}
host
backstore o0 outside//tmp/o0.img 33554432; patient o0; lun 0 o0; patient_disk $(disk 0)
backstore f0 file//tmp/f0.img 33554432; patient f0; lun 1 f0`,
  cases: {
    'the process of the handler maps the ring, and the host does not': `
      maps o0 $(child) || { cat /proc/$(child)/maps; fail 'the process does not map it'; }
      ! maps o0 $(daemon) || fail 'the host maps it'
      maps f0 $(daemon) || fail 'the host does not map what it serves itself'
      verify $(disk 0) --size=8M --bs=16k`,
    'kill -9 of that process under fio with verification: no error, nothing lost, and the other LUN goes on meanwhile': `
      sd=$(disk 0); other=$(disk 1); load $sd
      for n in 1 2 3; do
        sleep 1.$((RANDOM % 90 + 10)); loaded
        old=$(child); kill -9 $old; during=0
        while new=$(child); [ -z "$new" ] || [ "$new" = $old ] || [ "$(blocked o0)" = blocked ]; do read_one $other || fail 'the other LUN'; during=$((during + 1)); done
        echo "read $during times of the other while $old was away, $new is there"
        [ $during -ge 3 ] || fail "the other LUN stood still"
        maps o0 $new || fail 'the next process does not map it'
      done
      unloaded`,
    'a handler that ends each time is parked: its LUN fails at once, the other goes on, and its configuration given again frees it': `
      sd=$(disk 0); other=$(disk 1); touch /tmp/o0.img.crash
      began=$(date +%s); LIMIT=400 refused 'a write' dd if=/dev/zero of=/dev/$sd bs=4k count=1 oflag=direct
      echo "failed after $(($(date +%s) - began)) s"
      equal 'the state' "$(state o0)" parked
      grep -q 'outside is parked' /run/host.log || fail 'the log does not say so'
      began=$(date +%s%N); refused 'a read' dd if=/dev/$sd of=/dev/null bs=4k count=1 iflag=direct; refused 'a write' dd if=/dev/zero of=/dev/$sd bs=4k count=1 oflag=direct
      echo "refused in $((($(date +%s%N) - began) / 1000000)) ms"
      step 'INQUIRY' sg_inq /dev/$sd; refused 'TEST UNIT READY' sg_turs /dev/$sd
      verify $other --size=1M --bs=4k; dmesg -C
      restarts=$(grep -c 'runs again' /run/host.log); rm /tmp/o0.img.crash; step 'its configuration again' sh -c "echo outside//tmp/o0.img > $core/o0/attrib/dev_config"
      await_long 'the handler runs again' '[ $(grep -c "runs again" /run/host.log) -gt $restarts ]'
      # Two VMs side by side: the device itself may take a second try.
      await_long 'it is served again' '[ "$(state o0)" = running ]'
      verify $sd --size=1M --bs=4k`,
    'size and write cache can be changed': `
      sd=$(disk 0)
      step 'grow' sh -c "echo 67108864 > $core/o0/attrib/dev_size"
      refused 'the first command hears of it' sg_turs /dev/$sd; equal 'its size' "$(sg_readcap -b /dev/$sd | tail -n 1 | cut -d ' ' -f 1)" 0x20000
      cache() { echo 1 > /sys/block/$sd/device/rescan; cat /sys/block/$sd/device/scsi_disk/*/cache_type; }
      step 'cache off' sh -c "echo 0 > $core/o0/attrib/emulate_write_cache"; equal 'its cache' "$(cache)" 'write through'
      refused 'a size that is none' sh -c "echo 1000 > $core/o0/attrib/dev_size"
      step 'cache on' sh -c "echo 1 > $core/o0/attrib/emulate_write_cache"; equal 'its cache' "$(cache)" 'write back'
      kill -9 $(child)
      await_long 'it is served again' 'test -n "$(child)" && [ "$(blocked o0)" != blocked ]'
      equal 'its size in the next process' "$(sg_readcap -b /dev/$sd | tail -n 1 | cut -d ' ' -f 1)" 0x20000
      verify $sd --offset=34M --size=1M --bs=4k`,
    'devices come and go': `
      for n in 1 2 3; do
        backstore o1 outside//tmp/o1.img 1048576; maps o1 $(child) || fail 'not mapped'
        remove o1
      done
      touch /tmp/o1.img.gone; ! make o1 outside//tmp/o1.img 1048576 || fail 'a backend that is not there'; rmdir $core/o1; rm /tmp/o1.img.gone
      verify $(disk 0) --size=1M --bs=4k; no_d_state`,
    'SIGTERM under load drains': `
      sd=$(disk 0); load $sd
      for n in 1 2 3; do
        sleep 1; loaded; old=$(child); end_daemon TERM; [ ! -d /proc/$old ] || fail 'its process is still there'
        equal 'o0' "$(blocked o0)" unblocked; no_d_state; host; served
      done
      unloaded`,
    'kill -9 of the host under load: no process of it goes on with a ring, and the next host takes all over': `
      sd=$(disk 0); load $sd
      for n in 1 2 3 4; do
        sleep 1.$((RANDOM % 90 + 10)); loaded; old=$(child)
        # Not even one whose loop does not turn.
        [ $n != 2 ] || kill -STOP $old
        kill -9 $(daemon); wait $(daemon) 2> /dev/null
        host; [ ! -d /proc/$old ] || fail "$old is still there"
        equal 'o0' "$(blocked o0)" unblocked; served
      done
      unloaded`,
    'a device with filters is served by way of the host, where they run': `
      sd=$(disk 0); end_daemon TERM; echo '{ "devices": { "o0": { "filters": ["delay:read=1ms"] } } }' > /run/filters.json; host --config /run/filters.json
      maps o0 $(daemon) || fail 'the host does not map it'; ! maps o0 $(child) || fail 'the process maps it'
      verify $sd --size=1M --bs=16k`,
    'in a thread': `
      sd=$(disk 0); end_daemon TERM; host --placement outside=worker; [ -z "$(child)" ] || fail 'there is a process'
      maps o0 $(daemon) || fail 'not mapped'
      verify $sd --size=4M --bs=16k; end_daemon TERM`,
  },
})
