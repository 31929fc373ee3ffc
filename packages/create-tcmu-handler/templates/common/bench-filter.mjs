// Commands a second through the host's SCSI layer to a disk in memory, in this process, with the filter and without it.
import { withFilters } from '@tcmu/host/filter'
import { initiatorOf, ramHandler, testDevice } from '@tcmu/host/testing'
import filter from '__ENTRY__'

const SECONDS = 1
const DEPTH = 32
const BLOCKS = 8

for (const [title, uses] of [['without it', []], ['with it', [{ filter, options: {} }]]]) {
  const device = await testDevice(withFilters(ramHandler, uses), { sizeBytes: 64 * 1024 * 1024, blockSize: 512 })
  const initiator = initiatorOf(device)
  const data = new Uint8Array(BLOCKS * device.blockSize)
  const places = Math.floor(device.blocks / BLOCKS)
  const anywhere = () => Math.floor(Math.random() * places) * BLOCKS
  const jobs = {
    read: () => initiator.read({ lba: anywhere(), blocks: BLOCKS }),
    write: () => initiator.write(anywhere(), data),
  }
  for (const [name, job] of Object.entries(jobs)) {
    const end = performance.now() + SECONDS * 1000
    let done = 0
    const lane = async () => {
      while (performance.now() < end) {
        const { status } = await job()
        if (status !== 0) throw new Error(`${name}: status ${status}`)
        done++
      }
    }
    await Promise.all(Array.from({ length: DEPTH }, lane))
    console.log(`${name} ${title}: ${Math.round(done / SECONDS)} commands of 4 KiB a second at depth ${DEPTH}`)
  }
  await device.close(1000)
}
