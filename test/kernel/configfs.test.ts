import { kernelCases } from './cases'

/** Open files, maps and resident KiB of the host. */
const usage = `
  usage() { echo "$(ls /proc/$(daemon)/fd | wc -l) $(wc -l < /proc/$(daemon)/maps) $(awk '/VmRSS/ { print $2 }' /proc/$(daemon)/status)"; }
  # flat FROM TO KIB: nothing is kept but that much memory.
  flat() {
    echo "files, maps, KiB: $1, then $2"
    set -- $1 $2 $3
    [ $4 -le $(($1 + 2)) ] || fail "open files: $1, then $4"
    [ $5 -le $(($2 + 60)) ] || fail "maps: $2, then $5"
    [ $6 -le $(($3 + $7)) ] || fail "memory: $3 KiB, then $6"
    echo "ok flat"
  }`

kernelCases('backstores made by hand in configfs', {
  setup: `${usage}\nserve`,
  cases: {
    'are created, seen as a disk, and deleted': `
      exposed 0 d0 file//tmp/d0.img 67108864
      grep -q 'tcm-user/0/d0/file//tmp/d0.img' /sys/class/uio/uio0/name || fail 'the name of uio0'
      equal 'size of the file' "$(stat -c %s /tmp/d0.img)" 67108864
      equal 'size of the disk' "$(blockdev --getsize64 /dev/$sd)" 67108864
      step 'tcmu-host devices' tcmu-host devices; says 'the device' 'file//tmp/d0.img'
      refused 'rmdir while mapped' rmdir $core/d0
      unlun 0; remove d0
      [ ! -e /dev/uio0 ] || fail 'uio0 is there'`,
    'take all options in one line, and blocks of 4096 bytes': `
      mkdir -p $lio/core/user_7/test
      echo "dev_size=16777216,hw_block_size=4096,hw_max_sectors=64,max_data_area_mb=8,dev_config=file//tmp/test" > $lio/core/user_7/test/control
      step enable sh -c "echo 1 > $lio/core/user_7/test/enable"
      grep -q 'tcm-user/7/test/file//tmp/test' /sys/class/uio/uio0/name || fail 'the name of uio0'
      core=$lio/core/user_7; lun 0 test; sd=$(disk 0)
      equal 'block size' "$(blockdev --getss /dev/$sd)" 4096
      verify $sd --bs=4k --size=4M
      unlun 0; remove test; step 'remove user_7' rmdir $lio/core/user_7`,
    'are refused with the errno of the reason, and the sentence is in the log': `
      refusal() { make bad "$1" 67108864 2> /tmp/why && fail "$1 was made"; grep -q "$2" /tmp/why || { cat /tmp/why; fail "$1: not $2"; }
        rmdir $core/bad; grep -q "$3" /run/host.log || fail "the log has no '$3'"; [ -z "$(ls /dev/uio* 2> /dev/null)" ] || fail 'a device is left'; echo "ok $1"; }
      refusal nosuch/x 'No such file' 'no handler for'
      refusal file/relative 'Invalid argument' 'must be absolute'
      refusal file//no/such/folder/x 'Invalid argument' 'there is no folder /no/such/folder'
      refusal file 'Invalid argument' 'the path is missing'
      refusal file//tmp 'directory\\|Invalid\\|Not' '/tmp'`,
    'grow while they are used: a unit attention, then the new size': `
      exposed 0 r0 file//tmp/r0.img 67108864; dmesg -C
      verify $sd --bs=4k --size=32M --time_based --runtime=8 & fio=$!
      sleep 2; step resize sh -c "echo 134217728 > $core/r0/attrib/dev_size"
      wait $fio || exit 1
      eventually attention sh -c 'dmesg | grep -q "Capacity data has changed"'
      echo 1 > /sys/block/$sd/device/rescan
      equal 'size of the disk' "$(blockdev --getsize64 /dev/$sd)" 134217728
      step 'write at the new end' dd if=/dev/urandom of=/dev/$sd bs=1M seek=127 count=1 oflag=direct
      step 'the same size' sh -c "echo 134217728 > $core/r0/attrib/dev_size"
      refused 'half a block' sh -c "echo 1000 > $core/r0/attrib/dev_size"
      equal 'size kept' "$(cat $core/r0/attrib/dev_size)" 134217728
      unlun 0; remove r0`,
    'change their write cache while they are used': `
      exposed 0 w0 file//tmp/w0.img 16777216; dmesg -C
      step off sh -c "echo 0 > $core/w0/attrib/emulate_write_cache"
      refused 'attention' sg_turs -v /dev/$sd; says why 'Mode parameters changed'
      echo 1 > /sys/block/$sd/device/rescan; equal 'cache of the disk' "$(cat /sys/block/$sd/queue/write_cache)" 'write through'
      step on sh -c "echo 1 > $core/w0/attrib/emulate_write_cache"; sg_turs /dev/$sd
      step 'the same config' sh -c "echo file//tmp/w0.img > $core/w0/attrib/dev_config"
      refused 'another config' sh -c "echo file//tmp/other > $core/w0/attrib/dev_config"
      equal 'config kept' "$(cat $core/w0/attrib/dev_config)" file//tmp/w0.img
      unlun 0; remove w0`,
    'come and go 100 at a time, and nothing of them is kept': `
      hundred() {
        local jobs= i
        for i in $(seq 100); do make m$i file//tmp/m$i.img 1048576 max_data_area_mb=1 || touch /tmp/failed & jobs="$jobs $!"; done; wait $jobs
        [ ! -e /tmp/failed ] || fail 'not all were made'
        equal 'devices' "$(ls -d /sys/class/uio/uio* | wc -l)" 100
        jobs=; for i in $(seq 100); do rmdir $core/m$i || touch /tmp/failed & jobs="$jobs $!"; done; wait $jobs
        [ ! -e /tmp/failed ] || fail 'not all were removed'
        equal 'no devices' "$(ls /sys/class/uio | wc -l)" 0; rm -f /tmp/m*.img
      }
      hundred; before=$(usage); hundred; flat "$before" "$(usage)" 12288; no_d_state`,
    'come and go 20 times while another disk is used': `
      exposed 0 busy file//tmp/busy.img 33554432
      verify $sd --bs=4k --size=16M --time_based --runtime=25 & fio=$!
      cycle() { backstore c file//tmp/c.img 1048576; lun 1 c; c=$(disk 1); [ -n "$c" ] || fail 'no disk'; dd if=/dev/$c of=/dev/null bs=64k count=4 iflag=direct 2> /dev/null || fail read; unlun 1; remove c; }
      for i in 1 2 3; do cycle > /dev/null || exit 1; done
      before=$(usage); for i in $(seq 20); do cycle > /tmp/cycle || { cat /tmp/cycle; exit 1; }; done
      echo "ok 20 times"; after=$(usage); wait $fio || exit 1
      flat "$before" "$after" 16384; unlun 0; remove busy; no_d_state`,
    'survive a second daemon, which says who is there': `
      exposed 0 s0 file//tmp/s0.img 16777216
      refused 'a second host' tcmu-host serve --frontend tcmu --no-dbus; says why E_ALREADY_RUNNING
      verify $sd --bs=4k --size=4M`,
    'are left in the kernel by a host that is told to end, and taken over by the next': `
      sd=$(disk 0); head -c 4M /dev/urandom > /tmp/x; step write dd if=/tmp/x of=/dev/$sd bs=64k oflag=direct
      end_daemon TERM; equal 'the device' "$(cat $core/s0/action/block_dev)" unblocked; [ -e /dev/uio0 ] || fail 'uio0 is gone'
      ( sleep 1; dd if=/dev/$sd of=/tmp/y bs=64k count=64 iflag=direct 2> /dev/null; echo $? > /tmp/read ) &
      sleep 2; serve; eventually 'the read ends well' grep -qx 0 /tmp/read; step 'same bytes' cmp /tmp/x /tmp/y
      unlun 0; remove s0; end_daemon TERM; no_d_state
      equal netlink "$(cat /sys/module/target_core_user/parameters/block_netlink)" unblocked`,
    'are served without netlink when they were there before': `
      # Nobody listens and nobody waits for an answer: enable without it.
      make n0 file//tmp/n0.img 16777216 nl_reply_supported=-1 || fail 'not made'
      serve --no-netlink; grep -q 'without netlink' /run/host.log || fail 'the log does not say so'
      lun 0 n0; sd=$(disk 0); verify $sd --bs=4k --size=4M
      unlun 0; end_daemon TERM; rmdir $core/n0; no_d_state`,
  },
})
