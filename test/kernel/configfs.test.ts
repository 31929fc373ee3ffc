import { kernelCases } from './cases'

kernelCases('backstores made by hand in configfs', {
  setup: 'serve',
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
  },
})
