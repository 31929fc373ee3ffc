import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { ceph, CephCluster } from '../backends/ceph'
import { anyAddress } from '../backends/loopback'
import { kernelCases } from './cases'
import { outage } from './outage'

const MiB = 2 ** 20
let cluster: CephCluster
afterAll(() => cluster?.destroy())

/** librbd is in the VM: Debian's tcmu-runner needs it. */
kernelCases('images of Ceph under LIO', {
  requires: ceph(),
  prepare: async () => {
    cluster = await CephCluster.up({ store: 'disk', address: anyAddress() })
    await cluster.image('r0', '16M')
  },
  errands: {
    conf: () => readFileSync(cluster.conf, 'utf8'),
    rbd: (...words) => cluster.rbd(...words),
    used: async (name) => (JSON.parse(await cluster.rbd('du', '--format', 'json', `rbd/${name}`)) as { images: [{ used_size: number }] }).images[0].used_size,
    size: async (name) => (JSON.parse(await cluster.rbd('info', '--format', 'json', `rbd/${name}`)) as { size: number }).size,
    sum: async (name) => {
      const file = join(cluster.folder, `${name}.raw`)
      await cluster.rbd('export', '--no-progress', `rbd/${name}`, file)
      const sum = createHash('sha256').update(readFileSync(file)).digest('hex')
      rmSync(file)
      return sum
    },
    pause: () => cluster.pauseOsd(),
    resume: () => cluster.resumeOsd(),
    kill: () => cluster.stopOsd('SIGKILL'),
    start: () => cluster.startOsd(),
  },
  setup: `${outage}
own_loopback
errand conf; mkdir -p /etc/ceph; echo "$last" > /etc/ceph/ceph.conf
serve
backstore r0 rbd/rbd/r0 ${16 * MiB}; patient r0; lun 0 r0; patient_disk $(disk 0)`,
  cases: {
    'what is written is read, and Ceph itself has the same': `
      sd=$(disk 0); verify $sd --size=4M --bsrange=4k-64k --blockalign=4k
      step 'random data' dd if=/dev/urandom of=/dev/$sd bs=1M count=8 seek=4 oflag=direct
      errand sum r0; equal 'its sum' "$(sum $sd)" "$last"`,
    'what is discarded is given back': `
      sd=$(disk 0); step 'data' dd if=/dev/urandom of=/dev/$sd bs=1M count=8 seek=4 oflag=direct
      errand used r0; before=$last
      step blkdiscard blkdiscard -o 4M -l 8M /dev/$sd
      errand used r0; equal 'what is used' $last $((before - ${8 * MiB}))
      step 'reads as zeroes' cmp -n ${8 * MiB} /dev/$sd /dev/zero ${4 * MiB}`,
    'growth is seen by the guest, whoever makes it': `
      sd=$(disk 0); errand rbd resize --size 20M --no-progress rbd/r0
      eventually 'grown by Ceph' grown $sd ${20 * MiB}
      step 'grown by dev_size' sh -c "echo ${24 * MiB} > $core/r0/attrib/dev_size"
      eventually 'grown by the host' grown $sd ${24 * MiB}; errand size r0; equal 'the image' $last ${24 * MiB}
      verify $sd --offset=23M --size=1M --bs=16k`,
    'an OSD that hangs under load for longer than operations may take: the load goes on by itself': `
      sd=$(disk 0); load $sd; errand pause; stalled $sd 12; errand resume; unloaded $sd
      grep -q 'the cluster did not answer' /run/host.log && grep -q 'is open again' /run/host.log || { cat /run/host.log; fail 'operations took their time'; }`,
    'an OSD that is killed under load and started again: the load goes on, nothing is lost': `
      sd=$(disk 0); load $sd; errand kill; stalled $sd 2; errand start; unloaded $sd
      errand sum r0; equal 'its sum' "$(sum $sd)" "$last"`,
    'kill -9 of the host under load: the next goes on, nothing is lost': `
      sd=$(disk 0); load $sd; kill -9 $(daemon); wait $(daemon) 2> /dev/null; stalled $sd 1; serve; unloaded $sd
      errand sum r0; equal 'its sum' "$(sum $sd)" "$last"`,
    'the host ends, and nothing is stuck': 'end_daemon TERM; no_d_state',
  },
})
