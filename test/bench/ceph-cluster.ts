// A cluster in memory, with images, for a bench: its configuration file is the line that is printed, and it is gone when
// standard input ends.
//   node test/lib/ts.cjs test/bench/ceph-cluster.ts SIZE IMAGE...
import { once } from 'node:events'
import { CephCluster } from '../backends/ceph'

/** OSDs that only have to wait for a processor are not to count as dead. */
const GRACE_SECONDS = 20

export async function main(size: string, ...images: string[]): Promise<void> {
  const made = await CephCluster.up({ graceSeconds: GRACE_SECONDS })
  try {
    for (const name of images) await made.image(name, size)
    process.stdout.write(`${made.conf}\n`)
    await once(process.stdin.resume(), 'close')
  } finally {
    await made.destroy()
  }
}
