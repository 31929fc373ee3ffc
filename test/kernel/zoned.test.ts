import { kernelCases } from './cases'
import { RUN_MS } from './vm'

/** The minute is for `TCMU_FIO_SECONDS=60`; a shorter run sees as many open zones and resets. */
const FIO_SECONDS = Number(process.env['TCMU_FIO_SECONDS'] ?? 10)
const zoned = (number: number, name: string, options = 'zsize-4/conv-4/open-16', bytes = 2 ** 29): string => `
      exposed ${number} ${name} zbc/${options}@/tmp/${name}.img ${bytes}; q=/sys/block/$sd/queue`
const away = (number: number, name: string): string => `unlun ${number}; remove ${name}; rm -f /tmp/${name}.img`
const node = 'step agree /opt/tcmu/bin/node /opt/tcmu/test/kernel/zones.cjs'

kernelCases('zoned disks of the kernel', {
  setup: 'serve; modprobe mq-deadline',
  runMs: RUN_MS + FIO_SECONDS * 3000,
  cases: {
    'is a host managed disk, and everybody reports the same zones': `
      ${zoned(0, 'z0')}
      equal zoned "$(cat $q/zoned)" host-managed
      equal zones "$(cat $q/nr_zones)" 128
      equal 'zone size' "$(cat $q/chunk_sectors)" 8192
      equal 'open zones' "$(cat $q/max_open_zones)" 16
      ${node} /dev/$sd z0
      head -c 1M /dev/urandom > /tmp/data
      step write dd if=/tmp/data of=/dev/$sd bs=64k seek=256 oflag=direct,nonblock
      step 'open one' blkzone open -o $((6 * 8192)) -l 8192 /dev/$sd
      step 'write and finish' dd if=/tmp/data of=/dev/$sd bs=64k seek=$((7 * 64)) oflag=direct
      step finish blkzone finish -o $((7 * 8192)) -l 8192 /dev/$sd
      ${node} /dev/$sd z0; says 'all of them' '128 zones agree'
      step 'zbd report' zbd report /dev/$sd; says 'the written one' 'wp 00000017825792, oi'
      dd if=/dev/$sd bs=64k skip=256 count=16 iflag=direct status=none | cmp - /tmp/data || fail 'what is read'
      refused 'unaligned write' dd if=/tmp/data of=/dev/$sd bs=4k seek=$((4 * 1024 + 3)) count=1 oflag=direct
      step close blkzone close -o $((6 * 8192)) -l 8192 /dev/$sd
      step reset blkzone reset /dev/$sd
      equal 'empty zones' "$(/opt/tcmu/bin/node /opt/tcmu/test/kernel/zones.cjs --list /dev/$sd | awk '$3 == 1' | wc -l)" 124
      equal zeroes "$(dd if=/dev/$sd bs=64k skip=256 count=16 iflag=direct status=none | tr -d '\\0' | wc -c)" 0
      step map tcmu-host zones z0 --map; says 'the map' 'z0: 128 zones of 4MiB'
      sg=$(ls -d /sys/block/$sd/device/scsi_generic/*); sg=/dev/\${sg##*/}
      for i in $(seq 5 20); do step "open $i" sg_zone --open --zone=$((i * 8192)) $sg; done
      refused 'one more' sg_zone --open --zone=$((21 * 8192)) -v $sg
      step 'reset all' sg_reset_wp --all $sg
      ${away(0, 'z0')}`,

    'carries btrfs': `
      ${zoned(1, 'z1')}
      modprobe btrfs
      step mkfs mkfs.btrfs -q -f -O zoned -d single -m single /dev/$sd
      step mount mount /dev/$sd /disk
      for i in 1 2 3 4; do head -c 12M /dev/urandom > /disk/f$i; sync; done; rm /disk/f2; cp -r /usr/sbin /disk/; sync
      ( cd /disk && find . -type f -print0 | xargs -0 sha256sum ) > /tmp/sums
      step umount umount /disk; echo 3 > /proc/sys/vm/drop_caches
      step check btrfs check /dev/$sd
      step 'mount again' mount /dev/$sd /disk; ( cd /disk && step 'files are right' sha256sum -c --quiet /tmp/sums ) || exit 1
      step umount umount /disk
      ${node} /dev/$sd z1
      ${away(1, 'z1')}`,

    'carries f2fs': `
      ${zoned(2, 'z2', 'zsize-4/conv-16/open-16')}
      modprobe f2fs
      step mkfs mkfs.f2fs -q -f -m /dev/$sd
      step mount mount -t f2fs /dev/$sd /disk
      for i in 1 2 3; do head -c 8M /dev/urandom > /disk/f$i; sync; done; rm /disk/f2; sync
      ( cd /disk && find . -type f -print0 | xargs -0 sha256sum ) > /tmp/sums
      step umount umount /disk; echo 3 > /proc/sys/vm/drop_caches
      step check fsck.f2fs -f --dry-run /dev/$sd
      step 'mount again' mount -t f2fs /dev/$sd /disk; ( cd /disk && step 'files are right' sha256sum -c --quiet /tmp/sums ) || exit 1
      step umount umount /disk
      ${away(2, 'z2')}`,

    'is a zonefs, one file a zone': `
      ${zoned(3, 'z3', 'zsize-4/conv-4/open-16', 2 ** 27)}
      modprobe zonefs
      step mkzonefs /opt/tcmu/bin/node /opt/tcmu/test/kernel/mkzonefs.cjs /dev/$sd
      step mount mount -t zonefs /dev/$sd /disk
      equal files "$(ls /disk/seq | wc -l)" 28
      # Asynchronous writes: those of dd become zone appends, which this kernel's zonefs takes amiss from its own scsi_debug too.
      step write fio --name=z --filename=/disk/seq/3 --rw=write --bs=64k --size=512k --direct=1 --ioengine=libaio --iodepth=4 --file_append=1 --allow_file_create=0 --unlink=0 \\
        --verify=crc32c --verify_fatal=1 --verify_state_save=0 --do_verify=1
      equal size "$(stat -c %s /disk/seq/3)" 524288
      dd if=/dev/$sd of=/tmp/zone bs=64k skip=$(((3 + 4) * 64)) count=8 iflag=direct status=none; step same cmp /disk/seq/3 /tmp/zone
      step reset truncate -s 0 /disk/seq/3; equal size "$(stat -c %s /disk/seq/3)" 0
      step finish truncate -s 4194304 /disk/seq/4
      step umount umount /disk
      equal 'the full zone' "$(/opt/tcmu/bin/node /opt/tcmu/test/kernel/zones.cjs --list /dev/$sd | awk '$3 == 14' | wc -l)" 1
      ${away(3, 'z3')}`,

    'has a device mapper device over a part of it, zoned as well': `
      ${zoned(7, 'z7', 'zsize-4/conv-4/open-8', 2 ** 27)}
      modprobe dm-mod
      # Zones 2 to 17: two conventional ones, then sequential ones.
      step dmsetup dmsetup create part --table "0 $((16 * 8192)) linear /dev/$sd $((2 * 8192))"
      dm=$(ls -d /sys/block/dm-*); dm=\${dm##*/}; part=/dev/$dm; equal zoned "$(cat /sys/block/$dm/queue/zoned)" host-managed
      head -c 1M /dev/urandom > /tmp/data
      step write dd if=/tmp/data of=$part bs=64k seek=$((3 * 64)) oflag=direct
      dd if=/dev/$sd bs=64k skip=$((5 * 64)) count=16 iflag=direct status=none | cmp - /tmp/data || fail 'what is below'
      step report blkzone report -o $((3 * 8192)) -c 1 $part; says 'its pointer' 'wptr 0x000800'
      step reset blkzone reset -o $((3 * 8192)) -l 8192 $part
      step remove dmsetup remove part
      ${away(7, 'z7')}`,

    'fio writes zones at random, and finds all of it again': `
      ${zoned(4, 'z4', 'zsize-4/conv-4/open-8', 2 ** 28)}
      until=$(($(date +%s) + ${FIO_SECONDS})); runs=0
      while [ $runs -eq 0 ] || [ $(date +%s) -lt $until ]; do
        LIMIT=300 step "fio $runs" fio --name=z --filename=/dev/$sd --zonemode=zbd --offset=16M --size=240M --io_size=24M --direct=1 --ioengine=libaio --rw=randwrite --bs=4k-64k \\
          --iodepth=8 --max_open_zones=8 --verify=crc32c --verify_fatal=1 --verify_state_save=0 --do_verify=1 --randseed=$runs
        runs=$((runs + 1))
      done
      echo "fio runs: $runs"
      ${node} /dev/$sd z4
      ${away(4, 'z4')}`,

    'is killed while zones are written, and has all that was acknowledged': `
      ${zoned(5, 'z5', 'zsize-4/conv-4/open-8', 2 ** 27)}
      head -c 4M /dev/urandom > /tmp/data
      writer() { # ZONE: 64 KiB at a time; each that is acknowledged is noted.
        local i
        for i in $(seq 0 63); do
          dd if=/tmp/data of=/dev/$sd bs=64k skip=$i seek=$(($1 * 64 + i)) count=1 oflag=direct conv=notrunc status=none 2> /dev/null || return
          echo $((i + 1)) > /tmp/done.$1
        done
      }
      for round in 1 2 3; do
        step reset blkzone reset /dev/$sd
        writers=; for zone in 5 6 7; do echo 0 > /tmp/done.$zone; writer $zone & writers="$writers $!"; done
        sleep $((round)).5
        end_daemon KILL; serve
        # The kernel sends again what was not answered: what is written already is refused then, and its writer ends.
        wait $writers
        for zone in 5 6 7; do
          noted=$(cat /tmp/done.$zone)
          pointer=$(/opt/tcmu/bin/node /opt/tcmu/test/kernel/zones.cjs --list /dev/$sd | awk -v s=$((zone * 8192)) '$1 == s { print $2 == "-" ? 8192 : $2 - s }')
          [ $((noted * 128)) -le $pointer ] || fail "zone $zone: $noted pieces were acknowledged, the pointer is at $pointer"
          [ $pointer -le $(((noted + 1) * 128)) ] || fail "zone $zone: the pointer is at $pointer after $noted pieces"
          dd if=/dev/$sd bs=512 skip=$((zone * 8192)) count=$pointer status=none iflag=fullblock | cmp -n $((pointer * 512)) - /tmp/data || fail "zone $zone: data"
          echo "round $round zone $zone: $noted acknowledged, pointer at $((pointer / 128))"
        done
      done
      ${away(5, 'z5')}`,

    'is served as a disk of Zone Domains': `
      exposed 6 zd dhsmr/type-ZONE_DOM/zsize-1/rsize-10@/tmp/zd.img ${2 ** 28}
      equal 'a plain disk' "$(cat /sys/block/$sd/queue/zoned)" none
      step report tcmu-host zones zd --map; says inactive 'inactive'
      verify $sd --size=8M
      ${away(6, 'zd')}`,
  },
})

kernelCases('images of the C runner', {
  setup: `
    cp /usr/share/tcmu-runner/tcmu-runner.conf /etc/dbus-1/system.d/; mkdir -p /etc/tcmu /opt/c; : > /etc/tcmu/tcmu.conf
    cp /usr/lib/x86_64-linux-gnu/tcmu-runner/handler_file_zbc.so /opt/c/
    dbus-send --system --dest=org.freedesktop.DBus / org.freedesktop.DBus.ReloadConfig
    runner() {
      tcmu-runner --handler-path /opt/c > /run/runner.log 2>&1 & echo $! > /run/host.pid
      eventually 'tcmu-runner is on the bus' dbus-send --system --print-reply --dest=org.kernel.TCMUService1 /org/kernel/TCMUService1/zbc org.freedesktop.DBus.Introspectable.Introspect
    }`,
  cases: {
    'have the same zones and data here, and there again': `
      runner
      exposed 0 c0 zbc/zsize-4/conv-4/open-8@/tmp/c0.img ${2 ** 27}
      list() { /opt/tcmu/bin/node /opt/tcmu/test/kernel/zones.cjs --list /dev/$sd; }
      modprobe mq-deadline
      head -c 3M /dev/urandom > /tmp/data
      step 'a conventional zone' dd if=/tmp/data of=/dev/$sd bs=64k seek=20 oflag=direct
      for zone in 4 6 9; do step "zone $zone" dd if=/tmp/data of=/dev/$sd bs=64k count=$((zone * 4)) seek=$((zone * 64)) oflag=direct; done
      step 'a full one' dd if=/dev/zero of=/dev/$sd bs=64k count=64 seek=$((10 * 64)) oflag=direct
      step finish blkzone finish -o $((6 * 8192)) -l 8192 /dev/$sd
      step 'a reset one' dd if=/tmp/data of=/dev/$sd bs=64k count=8 seek=$((11 * 64)) oflag=direct; step reset blkzone reset -o $((11 * 8192)) -l 8192 /dev/$sd
      for zone in 4 9; do step "close $zone" blkzone close -o $((zone * 8192)) -l 8192 /dev/$sd; done
      list > /tmp/zones.c
      # Not the tail of the finished zone: the C runner shows there what was in the file before.
      content() { for at in 0 4 6 9 10 11; do dd if=/dev/$sd bs=64k skip=$((at * 64)) count=$((at == 6 ? 24 : 64)) iflag=direct status=none; done | sha256sum; }
      content > /tmp/content.c
      unlun 0; remove c0; end_daemon TERM
      serve
      exposed 0 c0 zbc//tmp/c0.img ${2 ** 27}
      list > /tmp/zones.ts; content > /tmp/content.ts
      step 'same zones' diff /tmp/zones.c /tmp/zones.ts
      step 'same data' diff /tmp/content.c /tmp/content.ts
      step 'write on' dd if=/tmp/data of=/dev/$sd bs=64k count=2 seek=$((4 * 64 + 16)) oflag=direct
      step close blkzone close -o $((4 * 8192)) -l 8192 /dev/$sd
      list > /tmp/zones.ts; content > /tmp/content.ts
      unlun 0; remove c0; end_daemon TERM
      runner
      exposed 0 c0 zbc//tmp/c0.img ${2 ** 27}
      list > /tmp/zones.c; content > /tmp/content.c
      step 'same zones there' diff /tmp/zones.ts /tmp/zones.c
      step 'same data there' diff /tmp/content.ts /tmp/content.c
      unlun 0; remove c0; end_daemon TERM`,
  },
})
