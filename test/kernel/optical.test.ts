import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Files, makeIso, requiresIso, requiresXorriso, sums } from '../lib/iso'
import { requires } from '../lib/requires'
import { kernelCases } from './cases'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-optical-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const disc = (name: string): string => join(folder, `${name}.iso`)

const bytes = (n: number, seed: number): Buffer => Buffer.alloc(n).map((_, i) => (i * seed + (i >> 8)) & 0xff) as Buffer
const tree: Files = {
  'readme.txt': 'read me\n', 'A Long Name With Blanks And Cases.text': 'rock ridge or joliet\n', 'deep/er/and/deeper/still.bin': bytes(70_001, 31),
  'large.bin': bytes(1_500_000, 7), 'empty': '', 'docs/one.txt': 'one\n', 'docs/two.txt': 'two\n',
}
const other: Files = { 'another disc.txt': 'this is the second one\n', 'numbers/1.bin': bytes(300_000, 3) }

/** Bash that compares the files below /mnt with what they were made of. */
const compares = (files: Files): string => `
  equal 'the files' "$(cd /mnt && find . -type f | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 sha256sum)" "${sums(files).trimEnd()}"`

/** Functions of these cases. */
const functions = `
# cd NUMBER: name of the drive that is LUN NUMBER, as soon as it is there.
cdrom() {
  local d i
  for ((i = 0; i < 200; i++)); do
    for d in /sys/class/scsi_device/*:"$1"/device/block/sr*; do [ -d "$d" ] && { echo "\${d##*/}"; return; }; done
    nap 0.1
  done
  echo "LUN $1 does not come" >&2
}
# heard KEY: a uevent of a block device has it; listening began with listen.
listen() {
  python3 -c '
import socket, sys
s = socket.socket(16, socket.SOCK_DGRAM, 15)
s.bind((0, 1))
print("listening", flush=True)
while True: print(s.recv(65536).replace(b"\\0", b" ").decode("latin1"), flush=True)' > /run/uevents & echo $! > /run/listener
  eventually 'a listener' grep -q listening /run/uevents
}
heard() { eventually "uevent $1" grep -q "change@.*/block/$2 .*$1" /run/uevents; }
mounted() { step "mount $*" mount -r "$@" /mnt; }
unmounted() { step umount umount /mnt; }
size() { cat "/sys/block/$1/size"; }
cat > /run/change.py <<'END'
import sys
from gi.repository import Gio, GLib
name = 'org.kernel.TCMUService1'
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
print(bus.call_sync(name, '/org/kernel/TCMUService1/fbo', name, 'ChangeMedium', GLib.Variant('(sts)', (sys.argv[1], 0, sys.argv[2])), None, 0, -1, None).unpack())
END
`

kernelCases('an optical drive under LIO', {
  requires: requires.all(requiresIso(), requiresXorriso()),
  drives: { rr: disc('rr'), udf: disc('udf'), xorriso: disc('xorriso') },
  prepare: async () => {
    await makeIso(disc('rr'), tree, ['-R', '-J', '-V', 'FIRST'])
    await makeIso(disc('udf'), other, ['-R', '-J', '-udf', '-V', 'SECOND'])
    await makeIso(disc('xorriso'), tree, ['-R', '-J', '-V', 'THIRD'], 'xorriso')
  },
  setup: `${functions}
    mkdir -p /mnt
    for m in sr_mod isofs udf nls_utf8 nls_iso8859-1 nls_ascii; do modprobe $m; done
    for name in rr udf xorriso; do cat $(drive $name) > /tmp/$name.iso; done
    truncate -s 2G /tmp/dvd.iso; truncate -s 6G /tmp/dl.iso; truncate -s 20G /tmp/bd.iso
    step 'the files of the service' tcmu-host install-files --dest /
    kill -HUP $(pidof dbus-daemon)
    serve --dbus; listen`,
  cases: {
    'appears as /dev/sr0, with all of the disc': `
      backstore cd0 fbo//tmp/rr.iso $(stat -c %s /tmp/rr.iso); lun 0 cd0; sr=$(cdrom 0); equal 'its name' "$sr" sr0
      echo 500 > /sys/block/sr0/events_poll_msecs
      # An open that finds the tray out leaves it there.
      echo 0 > /proc/sys/dev/cdrom/autoclose
      step 'cdrom info' cat /proc/sys/dev/cdrom/info
      for can in 'Can close tray:.*1' 'Can open tray:.*1' 'Can lock tray:.*1' 'Can read DVD:.*1' 'drive speed:.*48'; do grep -q "$can" <<< "$last" || fail "no $can in $last"; done
      equal 'blocks' "$(blockdev --getss /dev/sr0)" 2048
      equal 'bytes' "$(blockdev --getsize64 /dev/sr0)" "$(stat -c %s /tmp/rr.iso)"
      step 'all of it' cmp /dev/sr0 /tmp/rr.iso
      quiet 'no such message'`,
    'has blocks of 2048 bytes too': `
      backstore cd1 fbo//tmp/udf.iso $(stat -c %s /tmp/udf.iso) hw_block_size=2048; lun 1 cd1; sr=$(cdrom 1)
      step 'all of it' cmp /dev/$sr /tmp/udf.iso
      unlun 1; remove cd1`,
    'mounts iso9660 with Rock Ridge': `mounted -t iso9660 /dev/sr0; ${compares(tree)}; unmounted`,
    'mounts iso9660 with Joliet': `mounted -t iso9660 -o norock,utf8 /dev/sr0; ${compares(tree)}; unmounted`,
    'is locked while it is mounted, and tells who is in the way': `
      mounted /dev/sr0
      refused 'eject by the initiator' sg_start --eject /dev/sr0; step 'why' sg_requests /dev/sr0
      refused 'eject by the operator' tcmu-host eject cd0; says 'why' 'E_MEDIUM_LOCKED: the medium of cd0 is held by'
      heard DISK_EJECT_REQUEST=1 sr0
      refused 'insert' tcmu-host insert cd0 /tmp/udf.iso; says 'why' E_MEDIUM_LOCKED
      ${compares(tree)}; unmounted`,
    'eject, and eject -t': `
      step eject eject /dev/sr0
      refused 'ready' sg_turs -v /dev/sr0; says 'tray' 'tray open'
      refused 'read' dd if=/dev/sr0 of=/dev/null count=1; says 'no medium' 'No medium found'
      step 'the host knows' tcmu-host devices
      step 'eject -t' eject -t /dev/sr0
      eventually 'ready' sg_turs /dev/sr0
      mounted /dev/sr0; ${compares(tree)}; unmounted`,
    'another disc is seen by the kernel': `
      : > /run/uevents; before=$(size sr0)
      equal 'label' "$(blkid -p -s LABEL -o value /dev/sr0)" FIRST
      step insert tcmu-host insert cd0 /tmp/udf.iso
      heard DISK_MEDIA_CHANGE=1 sr0
      eventually 'another size' sh -c "blockdev --getsize64 /dev/sr0 | grep -qx $(stat -c %s /tmp/udf.iso)"
      equal 'label' "$(blkid -p -s LABEL -o value /dev/sr0)" SECOND
      equal 'the size in configfs' "$(grep -o ' Size: [0-9]*' $core/cd0/info | grep -o '[0-9]*')" "$(stat -c %s /tmp/udf.iso)"
      mounted -t udf /dev/sr0; ${compares(other)}; unmounted
      mounted -t iso9660 /dev/sr0; ${compares(other)}; unmounted`,
    'ChangeMedium over D-Bus': `
      mounted /dev/sr0
      step 'while mounted' python3 /run/change.py cd0 fbo//tmp/xorriso.iso; says 'refused' 'is held by'
      unmounted
      step 'afterwards' python3 /run/change.py cd0 fbo//tmp/xorriso.iso; says 'done' "(0, 'success')"
      eventually 'the disc' sh -c 'blkid -p -s LABEL -o value /dev/sr0 | grep -qx THIRD'
      mounted /dev/sr0; ${compares(tree)}; unmounted
      step 'what is not there' python3 /run/change.py cd0 fbo//tmp/none.iso; says 'said' none.iso
      step 'no disc' python3 /run/change.py cd0 fbo/; says 'done' "(0, 'success')"
      refused 'ready' sg_turs -v /dev/sr0; says 'tray' 'tray open'
      step 'back' python3 /run/change.py cd0 fbo//tmp/rr.iso`,
    'the tools of sg3-utils': `
      eventually ready sg_turs /dev/sr0
      step sg_inq sg_inq /dev/sr0; says 'type' 'cd/dvd'; says 'removable' 'RMB=1'
      step sg_vpd sg_vpd -p sn /dev/sr0
      step sg_get_config sg_get_config /dev/sr0
      says 'profile' 'CD-ROM'; says 'features' 'Random readable'; says 'lock' 'Load=1, Eject=1, Prevent jumper=1, Lock=1'
      step current sg_get_config -c /dev/sr0
      step sg_modes sg_modes -a /dev/sr0; says 'capabilities' 'MM capabilities and mechanical status'; says 'recovery' 'Read-Write error recovery'
      step changeable sg_modes -c 1 -p 1 /dev/sr0
      step sg_readcap sg_readcap /dev/sr0; says 'blocks' 'block length=2048'
      step sg_requests sg_requests /dev/sr0
      # Closing /dev/sr0 allows the removal; closing a generic device changes nothing.
      sg=/dev/$(ls /sys/block/sr0/device/scsi_generic)
      step sg_prevent sg_prevent $sg; refused sg_start sg_start --eject $sg
      step 'sg_prevent --allow' sg_prevent --allow $sg; step 'sg_start --eject' sg_start --eject $sg; step 'sg_start --load' sg_start --load $sg
      eventually ready sg_turs /dev/sr0
      step sg_verify sg_verify --lba=0 --count=16 /dev/sr0
      step sg_rdac sg_raw -r 96 /dev/sr0 bd 00 00 00 00 00 00 00 00 08 00 00`,
    'wodim and dvd+rw-mediainfo': `
      step 'wodim -prcap' wodim dev=/dev/sr0 -prcap; says 'a drive' 'Does read DVD-ROM media'; says 'a lock' 'Does allow media to be locked in the drive via PREVENT/ALLOW command'
      step 'wodim -toc' wodim dev=/dev/sr0 -toc; says 'the track' 'track:   1 lba:         0 (        0) 00:02:00 adr: 1 control: 4 mode: 1'
      refused 'wodim -atip' wodim dev=/dev/sr0 -atip; says 'no recorder' 'no CD/DVD-Recorder'
      # What dvd+rw-mediainfo says of each: the second layer of a DVD begins where the first one ends.
      declare -A tells=([dvd]='Legacy lead-out at:    1048576*2KB=2147483648' [dl]='Legacy lead-out at:    1572864*2KB=3221225472' [bd]='Track Size:            10485760*2KB')
      declare -A media=([dvd]='10h, DVD-ROM' [dl]='10h, DVD-ROM' [bd]='40h, BD-ROM')
      for kind in dvd dl bd; do
        step "insert $kind" tcmu-host insert cd0 /tmp/$kind.iso; sleep 1
        equal "bytes of $kind" "$(blockdev --getsize64 /dev/sr0)" "$(stat -c %s /tmp/$kind.iso)"
        step "the last block of $kind" dd if=/dev/sr0 of=/run/last bs=2048 count=1 skip=$(($(stat -c %s /tmp/$kind.iso) / 2048 - 1))
        refused "beyond the end of $kind" sg_raw -r 2048 /dev/sr0 a8 00 $(printf '%08x' $(($(stat -c %s /tmp/$kind.iso) / 2048)) | sed 's/../& /g') 00 00 00 01 00 00
        says 'why' 'Logical block address out of range'
        step "dvd+rw-mediainfo $kind" dvd+rw-mediainfo /dev/sr0; says 'its profile' "\${media[$kind]}"; says 'its size' "\${tells[$kind]}"
        step "sg_get_config $kind" sg_get_config -c /dev/sr0; says 'its profile' "Current profile: \${media[$kind]#* }"
      done
      step 'back' tcmu-host insert cd0 /tmp/rr.iso`,
    'a missing image is an empty drive, until it is there': `
      backstore cd2 fbo//tmp/later.iso 4096; lun 2 cd2; sr=$(cdrom 2)
      refused 'ready' sg_turs -v /dev/$sr; says 'tray' 'tray closed'
      refused 'read' dd if=/dev/$sr of=/dev/null count=1; says 'no medium' 'No medium found'
      cp /tmp/udf.iso /tmp/later.iso
      step eject eject /dev/$sr; step 'eject -t' eject -t /dev/$sr
      eventually 'ready' sg_turs /dev/$sr
      mounted -t udf /dev/$sr; ${compares(other)}; unmounted
      truncate -s 40960 /tmp/later.iso
      refused 'what was cut off' dd if=/dev/$sr iflag=direct of=/dev/null bs=2048 skip=100 count=1
      unlun 2; remove cd2; dmesg -C`,
    'goes away in order': `
      unlun 0; remove cd0; no_d_state
      quiet 'no such message'
      end_daemon TERM`,
  },
})
