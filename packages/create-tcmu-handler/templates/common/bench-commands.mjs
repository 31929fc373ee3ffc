// Commands a second, in this process.
import { initiatorOf, testDevice } from '@tcmu/host/testing'
import handler from '__ENTRY__'

const SECONDS = 2
const device = await testDevice(handler)
const initiator = initiatorOf(device)
const end = performance.now() + SECONDS * 1000
let done = 0
while (performance.now() < end) {
  const { status } = await initiator.testUnitReady()
  if (status !== 0) throw new Error(`status ${status}`)
  done++
}
console.log(`TEST UNIT READY: ${Math.round(done / SECONDS)} commands a second`)
await device.close(1000)
