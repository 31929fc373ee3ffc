import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MiB, volumes } from '../backends/glfs-lib'
import { GlusterNode, glusterLack } from '../backends/gluster'
import { requires } from '../lib/requires'
import { runOk } from '../lib/run'
import { kernelCases } from './cases'
import { outage } from './outage'

const system = '/usr/lib/x86_64-linux-gnu'
const folder = join(tmpdir(), `tcmu-glfs-${process.pid}`)
const libraries = join(folder, 'libraries.img')
let node: GlusterNode | undefined
const at = volumes(() => node!)
afterAll(() => {
  node?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** libgfapi loads modules of its own release by their path: all of this machine's goes into the VM. */
async function packLibraries(): Promise<void> {
  const tree = join(folder, 'tree')
  mkdirSync(tree, { recursive: true })
  for (const name of readdirSync(system).filter((n) => /^lib(gf|gluster).*\.so\.|^glusterfs$/.test(n))) {
    cpSync(join(system, name), join(tree, name), { recursive: true, verbatimSymlinks: true })
  }
  await runOk('mkfs.erofs', ['-T0', '--all-root', libraries, tree])
}

kernelCases('files of Gluster under LIO', {
  requires: requires.all(glusterLack(), requires.command('mkfs.erofs', 'erofs-utils')),
  drives: { libraries },
  prepare: async () => {
    await packLibraries()
    node = await GlusterNode.start()
    await node.volume('vol')
    await (await at.make('g0.img', 16 * MiB)).device.close(1000)
  },
  errands: {
    config: () => `glfs/${at.config('g0.img')}`,
    used: () => node!.storage('vol', 'g0.img'),
    size: () => statSync(node!.brickFile('vol', 'g0.img')).size,
    sum: () => createHash('sha256').update(readFileSync(node!.brickFile('vol', 'g0.img'))).digest('hex'),
    pause: () => node!.pauseBrick('vol'),
    resume: () => node!.resumeBrick('vol'),
    kill: () => node!.killBrick('vol'),
    start: () => node!.startBrick('vol'),
  },
  setup: `${outage}
mkdir /gluster; step libraries mount -t erofs -o ro $(drive libraries) /gluster; ln -sf /gluster/* ${system}/
own_loopback
serve
errand config; backstore g0 $last ${16 * MiB}; patient g0; lun 0 g0; patient_disk $(disk 0)`,
  cases: {
    'what is written is read, and the brick has the same': `
      sd=$(disk 0); verify $sd --size=4M --bsrange=4k-64k --blockalign=4k
      step 'random data' dd if=/dev/urandom of=/dev/$sd bs=1M count=8 seek=4 oflag=direct conv=fsync
      errand sum; equal 'its sum' "$(sum $sd)" "$last"`,
    'what is discarded is given back': `
      sd=$(disk 0); step 'data' dd if=/dev/urandom of=/dev/$sd bs=1M count=8 seek=4 oflag=direct conv=fsync
      errand used; before=$last
      step blkdiscard blkdiscard -o 4M -l 8M /dev/$sd
      errand used; equal 'what is used' $last $((before - ${8 * MiB}))
      step 'reads as zeroes' cmp -n ${8 * MiB} /dev/$sd /dev/zero ${4 * MiB}`,
    'growth is seen by the guest': `
      sd=$(disk 0); step 'grown by dev_size' sh -c "echo ${24 * MiB} > $core/g0/attrib/dev_size"
      eventually 'grown' grown $sd ${24 * MiB}; errand size; equal 'the file' $last ${24 * MiB}
      verify $sd --offset=23M --size=1M --bs=16k`,
    'a brick that hangs under load for longer than its ping time-out: the load goes on by itself': `
      sd=$(disk 0); load $sd; errand pause; stalled $sd 8; errand resume; unloaded $sd
      grep -q 'is open again' /run/host.log || { cat /run/host.log; fail 'the brick was not given up'; }`,
    'a brick that is killed under load and started again: the load goes on, nothing is lost': `
      sd=$(disk 0); load $sd; errand kill; stalled $sd 2; errand start; unloaded $sd
      errand sum; equal 'its sum' "$(sum $sd)" "$last"`,
    'kill -9 of the host under load: the next goes on, nothing is lost': `
      sd=$(disk 0); load $sd; kill -9 $(daemon); wait $(daemon) 2> /dev/null; stalled $sd 1; serve; unloaded $sd
      errand sum; equal 'its sum' "$(sum $sd)" "$last"`,
    'the host ends, and nothing is stuck': 'end_daemon TERM; no_d_state',
  },
})
