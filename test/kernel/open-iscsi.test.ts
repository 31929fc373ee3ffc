import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { HandlerRoot } from '../lib/handler-root'
import { inRepository } from '../lib/repository'
import { describeIf } from '../lib/requires'
import { bench } from '../lib/serve'
import { Barrier } from './barrier'
import { kernelCases } from './cases'
import { requiresKernelVm, RUN_MS, Vm } from './vm'

const b = bench()

/** What the initiator and the target may agree on, beyond its defaults. */
const agreements = (() => {
  const session = 'node.session.iscsi'
  const connection = 'node.conn[0].iscsi'
  return [
    `${session}.ImmediateData No ${session}.InitialR2T Yes`,
    `${session}.FirstBurstLength 1000 ${session}.MaxBurstLength 7000 ${connection}.MaxRecvDataSegmentLength 1030 ${connection}.MaxXmitDataSegmentLength 518 ${connection}.HeaderDigest CRC32C ${connection}.DataDigest CRC32C`,
    `${session}.MaxOutstandingR2T 8 ${session}.InitialR2T Yes ${session}.MaxBurstLength 8192 ${session}.FirstBurstLength 8192`,
  ]
})()

const auth = 'node.session.auth'
const secrets = { one: 'of-the-initiator', two: 'of-the-target-too' }
const chap = `${auth}.authmethod CHAP ${auth}.username joe ${auth}.password ${secrets.one}`
const loginTo = (port: string): string => `iscsiadm -m node -T $target -p 10.0.2.2:${port} --login`

/** A host for each case; their ports are variables of the scripts. */
async function hosts(): Promise<Record<string, number>> {
  writeFileSync(b.path('ro.img'), Buffer.alloc(2 ** 24, 0x5a))
  for (const [name, secret] of Object.entries(secrets)) writeFileSync(b.path(name), secret, { mode: 0o600 })
  const large = (name: string): string => b.fileLun(name, '512M').replace(',cfg', ',blocksize=4096,cfg')
  const disk = await b.start({ luns: [b.fileLun('a', '256M'), large('b'), `name=ro,readonly,cfgstring=file/${b.path('ro.img')}`] })
  const files = await b.start({ luns: [b.fileLun('e', '256M'), large('x')] })
  const negotiated = await b.start({ luns: [b.fileLun('n', '64M')] })
  const secret = await b.start({ args: ['--chap-user', 'joe', '--chap-secret-file', b.path('one'), '--chap-mutual-user', 'target', '--chap-mutual-secret-file', b.path('two')] })
  return { disk: disk.port, files: files.port, negotiated: negotiated.port, chap: secret.port }
}

kernelCases('the initiator of the Linux kernel', {
  prepare: hosts,
  cases: {
    'takes a LUN as a disk with a write cache, FUA, and thin provisioning': `
      record $disk node.conn[0].iscsi.HeaderDigest CRC32C node.conn[0].iscsi.DataDigest CRC32C
      login $disk; a=$(disk 0); b=$(disk 1); ro=$(disk 2); sleep 2
      quiet 'no such message'
      attribute() { step "$1 $2" cat $1; [ "$last" = "$2" ] || { echo "failed: it is $last"; exit 1; }; }
      attribute /sys/block/$a/queue/write_cache 'write back'
      attribute /sys/block/$a/queue/fua 1
      attribute /sys/block/$b/queue/logical_block_size 4096
      attribute /sys/block/$a/queue/discard_granularity 4096
      attribute /sys/class/scsi_disk/0:0:0:0/provisioning_mode unmap
      attribute /sys/class/scsi_disk/0:0:0:0/zeroing_mode writesame_16_unmap
      attribute /sys/block/$ro/ro 1
      step inquiry sg_vpd -a /dev/$a; says 'thin' 'thin provisioned'
      step capacity sg_readcap -l /dev/$a; says 'lbprz' 'lbprz=1'
      step opcodes sg_opcodes -a /dev/$a; says 'a command' 'Compare and write'
      step modes sg_modes -a /dev/$a
      step 'descriptor sense' sg_wr_mode --page=0xa --contents=0a,0a,06,10,00,40,00,00,ff,ff,00,3c /dev/$a
      refused 'beyond the end' sg_raw -r 512 /dev/$a 28 00 ff ff ff ff 00 00 01 00; says 'its format' 'Descriptor format'
      step 'fixed sense' sg_wr_mode --page=0xa --contents=0a,0a,02,10,00,40,00,00,ff,ff,00,3c /dev/$a
      for mode in 'write through' 'write back'; do
        echo "$mode" > /sys/class/scsi_disk/0:0:0:0/cache_type; attribute /sys/block/$a/queue/write_cache "$mode"
      done
      head -c 4096 /dev/urandom > /tmp/x; { cat /tmp/x; head -c 4096 /dev/urandom; } > /tmp/xy
      step write dd if=/tmp/x of=/dev/$a bs=4k oflag=direct
      step 'compare and write' sg_compare_and_write --in=/tmp/xy --lba=0 --num=8 --xferlen=8192 /dev/$a
      refused 'compare and write again' sg_compare_and_write --in=/tmp/xy --lba=0 --num=8 --xferlen=8192 /dev/$a; says 'why' Miscompare
      step 'write same' sg_write_same --16 --unmap --lba=0 --num=2048 /dev/$a
      step 'block status' sg_get_lba_status -m 100 /dev/$a; says 'a hole' deallocated
      step 'stop' sg_start --stop /dev/$b; refused 'while stopped' sg_turs /dev/$b; step 'start' sg_start --start /dev/$b; step 'ready' sg_turs /dev/$b
      step 'reset' sg_reset -d /dev/$a; refused 'after the reset' sg_turs -v /dev/$a; says 'attention' 'Bus device reset'
      step register sg_persist -n --out --register --param-sark=0xabc /dev/$a
      step reserve sg_persist -n --out --reserve --param-rk=0xabc --prout-type=5 /dev/$a
      step report sg_persist -n -s /dev/$a; says 'the holder' 'Reservation holder'
      step clear sg_persist -n --out --clear --param-rk=0xabc /dev/$a
      refused 'write to the read-only one' dd if=/dev/zero of=/dev/$ro bs=512 count=1 oflag=direct
      logout $disk; quiet 'no such message'`,
    'makes file systems on it, discards, and finds every file again': `
      record $files; login $files
      files() { # FILE SYSTEM, DISK
        step "blkdiscard" blkdiscard /dev/$2; step "blkdiscard -z" blkdiscard -z -o 1M -l 8M /dev/$2
        step "mkfs.$1" mkfs.$1 -q /dev/$2; step "mount" mount -o discard /dev/$2 /disk
        for i in 1 2 3; do head -c 16M /dev/urandom > /disk/big$i; done; rm /disk/big2
        step "copy" cp -r /usr/share /disk/share; sync
        ( cd /disk && find . -type f -print0 | xargs -0 sha256sum ) > /tmp/sums
        step "umount" umount /disk; echo 3 > /proc/sys/vm/drop_caches; step "mount again" mount -o discard /dev/$2 /disk
        step "files are right" bash -c 'cd /disk && sha256sum -c --quiet /tmp/sums'
        step "fstrim" fstrim /disk; step "umount" umount /disk
      }
      files ext4 $(disk 0); step e2fsck e2fsck -fn /dev/$(disk 0)
      files xfs $(disk 1); step xfs_repair xfs_repair -n /dev/$(disk 1)
      logout $files; quiet 'no such message'`,
    'keeps its data right whatever is negotiated': `
      ${agreements.map((a) => `record $negotiated ${a}; login $negotiated; verify $(disk 0) --bsrange=512-512k --blockalign=512 --size=8M; logout $negotiated`).join('\n')}
      quiet 'no such message'`,
    'logs in with CHAP both ways, and not with a wrong secret': `
      record $chap; refused 'no secret' ${loginTo('$chap')}; says why 'authorization failure'
      record $chap ${chap}x; refused 'wrong secret' ${loginTo('$chap')}; says why 'authorization failure'
      record $chap ${chap}; login $chap; logout $chap
      record $chap ${chap} ${auth}.username_in target ${auth}.password_in ${secrets.two}; login $chap; logout $chap
      record $chap ${chap} ${auth}.username_in target ${auth}.password_in ${secrets.two}x; refused 'wrong target' ${loginTo('$chap')}; says why 'login failure'
      record $chap ${chap} ${auth}.chap_algs SHA256; login $chap; logout $chap`,
  },
})

describeIf(requiresKernelVm(), 'the initiator of the Linux kernel, and a host that fails it', () => {
  const barrier = new Barrier()
  const vms: Vm[] = []
  const boot = (script: string): Vm => {
    const vm = new Vm({ script })
    vms.push(vm)
    return vm
  }
  afterEach(async () => {
    await Promise.all(vms.splice(0).map((vm) => vm.close()))
  })
  afterAll(() => barrier.close())

  test('goes on after kill -9 of the host, nothing lost', async () => {
    const luns = [b.fileLun('k', '64M')]
    const host = await b.start({ luns })
    const vm = boot(`
      record ${host.port}; login ${host.port}; k=$(disk 0); sleep 2
      verify $k --bsrange=4k-128k --size=64M --fsync=16 --time_based --runtime=20 --thinktime=2ms & fio=$!
      sleep 6; echo 'now'
      wait $fio || exit 1
      dmesg | grep -q 'detected conn error' || { echo 'failed: the connection did not break'; exit 1; }
      logout ${host.port}; quiet 'detected conn error'`)
    await vm.said('now')
    await host.end('SIGKILL')
    await b.start({ luns, portal: `127.0.0.1:${host.port}` })
    await vm.ended()
  }, RUN_MS)

  test('aborts what its handler does not answer, and has it answered later', async () => {
    const root = new HandlerRoot(b.path('handlers'))
    const tcmuHandler = { apiVersion: '^1.0', subtype: 'stuck', shape: 'blocks', configHelp: 'a file; while it is there nothing is answered' }
    root.file('stuck', 'package.json', { name: 'stuck', version: '1.0.0', main: 'index.cjs', keywords: ['tcmu-handler'], tcmuHandler })
    root.file('stuck', 'index.cjs', readFileSync(inRepository('test/kernel/stuck-handler.cjs')))
    await root.enable('stuck')
    const gate = b.path('gate')
    const host = await b.start({ luns: [`name=s,size=16M,cfgstring=stuck/${gate}`] })
    const vm = boot(`${await barrier.script()}
      record ${host.port}; login ${host.port}; s=$(disk 0); sleep 2; echo 5 > /sys/block/$s/device/timeout
      meet ready
      verify $s --bs=64k --rw=write --size=1M & fio=$!
      answered() { for i in $(seq 90); do iscsiadm -m session -s | grep -q 'tmfrsp_pdus: [1-9]' && return; sleep 1; done; return 1; }
      answered || { echo 'failed: no answer to task management'; exit 1; }
      echo 'aborted'; wait $fio || exit 1
      logout ${host.port}; quiet 'no such message'`)
    await barrier.meet(vm, 'ready', () => writeFileSync(gate, ''))
    await vm.said('aborted')
    rmSync(gate)
    await vm.ended()
    expect(host.output).toMatch(/ABORT TASK: response 0/)
  }, RUN_MS)
})
