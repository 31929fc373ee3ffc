import { attach, type Attached, ramHandler, testDevice } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, ringCases } from '../lib/ring-cases'

describe('a disk behind the fake kernel', () => {
  let at: Attached
  let close: () => Promise<unknown>
  beforeAll(async () => {
    const device = await testDevice(ramHandler, { sizeBytes: BLOCKS * BLOCK, blockSize: BLOCK })
    at = attach(device)
    close = () => device.close(1000)
  })
  afterAll(async () => {
    await at.detach()
    await close()
  })

  for (const [name, run] of Object.entries(ringCases)) test(name, () => run(at))
})
