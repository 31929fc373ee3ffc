import { statSync } from 'node:fs'
import { describeIf } from '../lib/requires'
import { bench } from '../lib/serve'
import { Barrier } from './barrier'
import { requiresKernelVm, RUN_MS, Vm } from './vm'

const MiB = 2 ** 20
const STAT_BLOCK = 512

/** Functions of the scripts below: a decoder of sg3_utils that has something to object to fails the step. */
const functions = `
  decodes() { # NAME COMMAND...
    local name=$1; shift
    step "$name" "$@"
    ! grep -Eiq 'unable|malformed|only hex|unknown|unrecogni|too short|truncated|unexpected|bad |invalid' <<< "$last" || { printf 'failed %s: it objects\\n%s\\n' "$name" "$last"; exit 1; }
  }
  generic() { echo /dev/$(ls /sys/block/$1/device/scsi_generic); }
  # control BYTE2 BYTE4: contents of the control mode page.
  control() { echo "0a,0a,$1,10,$2,40,00,00,ff,ff,00,3c"; }
`

describeIf(requiresKernelVm(), 'sg3_utils and the disk driver of the Linux kernel', () => {
  const b = bench()
  const vms: Vm[] = []
  const barrier = new Barrier()
  afterAll(() => barrier.close())
  const boot = (name: string, script: string): Vm => {
    const vm = new Vm({ name, script: functions + script })
    vms.push(vm)
    return vm
  }
  afterEach(async () => {
    await Promise.all(vms.splice(0).map((vm) => vm.close()))
  })

  test('every page, list and service decodes and does what it says', async () => {
    const host = await b.start({ luns: [b.fileLun('a', '64M'), b.fileLun('b', '64M').replace(',cfg', ',blocksize=4096,cfg'), b.fileLun('c', '64M')] })
    const text = await boot('sg3', `
      record ${host.port}; login ${host.port}; a=$(disk 0); b=$(disk 1); c=$(disk 2); sleep 2
      for d in $a $b; do
        decodes "inquiry $d" sg_inq /dev/$d
        decodes "version descriptors $d" sg_inq -d /dev/$d; says 'SAM-5' 'SAM-5'; says 'SPC-4' 'SPC-4'; says 'SBC-3' 'SBC-3'; says 'iSCSI' iSCSI
        for p in 0 80 83 85 86 87 88 8f b0 b1 b2; do decodes "vpd $p $d" sg_vpd --page=0x$p /dev/$d; done
        decodes "all opcodes $d" sg_opcodes --rctd /dev/$d; says 'XCOPY' 'copy'; says 'sanitize' 'Sanitize'
        decodes "one opcode $d" sg_opcodes --opcode=0x28 --mask /dev/$d
        decodes "task management $d" sg_opcodes --tmf /dev/$d; says 'LU reset' 'Logical unit reset'
        for pc in 0 1 2 3; do decodes "mode pages pc $pc $d" sg_modes --all --control=$pc /dev/$d; done
        decodes "mode subpages $d" sg_modes --page=0x1c,2 /dev/$d
        decodes "log pages $d" sg_logs --list /dev/$d
        for p in 0 2 3 0xc 0x10 0x2f; do decodes "log page $p $d" sg_logs --page=$p /dev/$d; done
        step "log reset $d" sg_logs --reset --select /dev/$d
        step "long capacity $d" sg_readcap --long /dev/$d; says thin 'lbpme=1'
        step "default self-test $d" sg_senddiag --test /dev/$d
        step "foreground self-test $d" sg_senddiag --selftest=5 /dev/$d
        step "diagnostic pages $d" sg_senddiag --list /dev/$d
        step "sense $d" sg_requests /dev/$d
        step "sync $d" sg_sync /dev/$d
      done
      step 'saved D_SENSE' sg_wr_mode --save --page=0xa --contents=$(control 06 00) /dev/$a
      step 'fixed sense' sg_wr_mode --page=0xa --contents=$(control 02 00) /dev/$a
      step 'saved value' sg_modes --page=0xa --control=3 -r /dev/$a
      head -c 1M /dev/urandom > /tmp/x; step 'write' dd if=/tmp/x of=/dev/$a bs=64k oflag=direct
      step 'verify' sg_verify --lba=0 --count=2048 /dev/$a
      step 'block status' sg_get_lba_status --maxlen=64 /dev/$a; says mapped 'mapped'
      step 'unmap' sg_unmap --lba=0 --num=1024 /dev/$a
      step 'block status after' sg_get_lba_status --maxlen=64 /dev/$a; says 'a hole' deallocated
      step 'write same' sg_write_same --16 --lba=1024 --num=512 --in=/dev/zero --xferlen=512 /dev/$a
      step 'write same, unmap' sg_write_same --16 --unmap --lba=1024 --num=1024 /dev/$a
      cmp -n 1048576 /dev/$a /dev/zero || fail 'what was unmapped is not zero'; echo 'ok zero'
      step 'write again' dd if=/tmp/x of=/dev/$a bs=64k oflag=direct conv=fsync
      { head -c 512 /tmp/x; head -c 512 /dev/zero; } > /tmp/xy
      step 'compare and write' sg_compare_and_write --in=/tmp/xy --lba=0 --num=1 --xferlen=1024 /dev/$a
      refused 'compare and write again' sg_compare_and_write --in=/tmp/xy --lba=0 --num=1 --xferlen=1024 /dev/$a; says 'miscompare' Miscompare
      step 'xcopy to another LUN' sg_xcopy if=$(generic $a) of=$(generic $c) bs=512 count=2048
      echo 3 > /proc/sys/vm/drop_caches; cmp -n 1048576 /dev/$a /dev/$c || fail 'what was copied differs'; echo 'ok copied'
      step 'persist: register' sg_persist --out --register-ignore --param-aptpl --param-sark=0xabc /dev/$a
      step 'persist: reserve' sg_persist --out --reserve --param-rk=0xabc --prout-type=8 /dev/$a
      for o in --read-keys --read-reservation --report-capabilities --read-full-status; do decodes "persist $o" sg_persist -n --in $o /dev/$a; done
      says 'APTPL is kept' '0xabc'
      step 'persist: clear' sg_persist --out --clear --param-rk=0xabc /dev/$a
      step 'format' sg_format --format --quick /dev/$c
      cmp -n 1048576 /dev/$c /dev/zero || fail 'what was formatted is not zero'; echo 'ok formatted'
      step 'write to the third' dd if=/tmp/x of=/dev/$c bs=64k oflag=direct
      LIMIT=400 step 'sanitize, block erase' sg_sanitize --block --quick --wait /dev/$c
      LIMIT=400 step 'sanitize, overwrite' sg_sanitize --overwrite --pattern=/dev/zero --ipl=4 --quick --wait /dev/$c
      step 'ready again' sg_turs /dev/$c
      step 'stop' sg_start --stop /dev/$b; refused 'while stopped' sg_turs /dev/$b; step 'start' sg_start --start /dev/$b
      logout ${host.port}; quiet 'no such message'`).ended()
    expect(text).toMatch(/^ok sanitize, overwrite$/m)
    expect(host.output).not.toMatch(/TypeError|RangeError|unhandled/)
  }, RUN_MS)

  test('discard and fstrim reach the file as holes, write zeroes as zeroes', async () => {
    const host = await b.start({ luns: [b.fileLun('h', '256M')] })
    const stored = (): number => statSync(b.path('h.img')).blocks * STAT_BLOCK
    const vm = boot('holes', `${await barrier.script()}
      record ${host.port}; login ${host.port}; h=$(disk 0); sleep 2
      q=/sys/block/$h/queue
      equal 'write cache' "$(cat $q/write_cache)" 'write back'
      equal 'FUA' "$(cat $q/fua)" 1
      [ "$(cat $q/discard_max_bytes)" -gt 0 ] || fail 'no discard'; [ "$(cat $q/write_zeroes_max_bytes)" -gt 0 ] || fail 'no write zeroes'
      equal 'provisioning' "$(cat /sys/class/scsi_disk/*:0/provisioning_mode)" unmap
      step 'write' dd if=/dev/urandom of=/dev/$h bs=1M count=64 oflag=direct conv=fsync; meet written
      step 'discard' blkdiscard /dev/$h; meet discarded
      step 'write' dd if=/dev/urandom of=/dev/$h bs=1M count=32 oflag=direct conv=fsync
      step 'write zeroes' blkdiscard -z -l 32M /dev/$h; cmp -n 33554432 /dev/$h /dev/zero || fail 'not zero'; meet zeroed
      step 'mkfs' mkfs.ext4 -q /dev/$h; mkdir -p /disk; step 'mount' mount /dev/$h /disk
      head -c 64M /dev/urandom > /disk/big; sync; meet filled
      rm /disk/big; sync; step 'fstrim' fstrim -v /disk; meet trimmed
      umount /disk; logout ${host.port}; quiet 'no such message'`)
    await barrier.meet(vm, 'written', () => expect(stored()).toBeGreaterThanOrEqual(64 * MiB))
    await barrier.meet(vm, 'discarded', () => expect(stored()).toBeLessThan(MiB))
    await barrier.meet(vm, 'zeroed', () => {
      // The kernel asks for zeroes that keep their storage (BLKZEROOUT: WRITE SAME without UNMAP): the file has zeroes, and no hole.
      expect(stored()).toBeGreaterThanOrEqual(32 * MiB)
      expect(stored()).toBeLessThan(33 * MiB)
    })
    await barrier.meet(vm, 'filled', () => expect(stored()).toBeGreaterThanOrEqual(64 * MiB))
    await barrier.meet(vm, 'trimmed', () => expect(stored()).toBeLessThan(32 * MiB))
    await vm.ended()
  }, RUN_MS)
})
