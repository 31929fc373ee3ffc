import fc from 'fast-check'
import { sam } from '../scsi'
import { cdb } from '../testing/cdb'
import { testDevice } from '../testing/harness'
import { ramHandler } from '../testing/handlers/ram'
import { held } from '../testing/handlers/slow'
import { Pump, type RingPort } from '../device/pump'
import { Mailbox } from './abi'
import { Request, RingProducer, type ProducerShape } from './producer'

/** A producer, and a device that answers it, joined by doorbells of this process. */
async function joined(shape: ProducerShape = { ringBytes: 4096, blockBytes: 4096 }, dataBytes = 1 << 20, handler = ramHandler) {
  const memory = new ArrayBuffer(shape.ringBytes + dataBytes)
  const producer = new RingProducer(memory, 'test', shape)
  const device = await testDevice(handler)
  let wake: () => void = () => undefined
  const port: RingPort = { memory, onWake: (fn) => (wake = fn), kick: () => setImmediate(() => producer.reap() && wake()) }
  const pump = new Pump(port, device)
  const send = (bytes: Uint8Array, length = 0, out?: Uint8Array): Promise<{ status: number; data: Buffer }> =>
    new Promise((resolve) => {
      const request = new Request(bytes, length, out && ((d) => void d.set(out)), (r) => resolve({ status: r.status, data: r.data.toBuffer().subarray(0, r.dataInLength) }))
      if (producer.post(request)) wake()
    })
  return { producer, pump, device, send, memory, wake: () => wake(), close: async () => { await pump.stop(1000); pump.close(); await device.close(1000) } }
}
const block = (n: number, byte: number): Uint8Array => new Uint8Array(n * 512).fill(byte)

test('what is written through the ring is read through it', async () => {
  const { send, close, producer } = await joined()
  expect(await send(cdb.write16({ lba: 8, blocks: 100 }), 51200, block(100, 7))).toMatchObject({ status: sam.GOOD })
  const { status, data } = await send(cdb.read16({ lba: 8, blocks: 100 }), 51200)
  expect([status, data.equals(Buffer.from(block(100, 7)))]).toEqual([sam.GOOD, true])
  expect(producer.inFlight).toBe(0)
  await close()
})

test('more than fits waits its turn, in a ring that wraps many times', async () => {
  const { send, close } = await joined({ ringBytes: 1024, blockBytes: 512 }, 16 * 512)
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => send(cdb.write16({ lba: i, blocks: 1 + (i % 4) }), (1 + (i % 4)) * 512, block(1 + (i % 4), i & 0xff))))
  expect(new Set(answers.map((a) => a.status))).toEqual(new Set([sam.GOOD]))
  await close()
})

test('sense data of an error comes back', async () => {
  const { producer, close, wake } = await joined()
  const request = await new Promise<Request>((resolve) => {
    if (producer.post(new Request(cdb.read16({ lba: 1e9, blocks: 1 }), 512, undefined, resolve))) wake()
  })
  expect([request.status, request.sense[0]! & 0x7f, request.sense[12]]).toEqual([sam.CHECK_CONDITION, 0x70, 0x21])
  await close()
})

test('an abort reaches the commands it names', async () => {
  const gate = held(ramHandler)
  const { producer, close, wake, device } = await joined(undefined, undefined, gate.handler)
  const answered = new Promise<Request>((resolve) => {
    const request = new Request(cdb.read16({ lba: 0, blocks: 1 }), 512, undefined, resolve)
    producer.post(request)
    wake()
    setTimeout(() => {
      expect(producer.abort(1, [request])).toBe(true)
      wake()
      setTimeout(gate.releaseAll, 10)
    }, 10)
  })
  expect((await answered).status).toBe(sam.TASK_ABORTED)
  expect(device.inflight).toBe(0)
  await close()
})

test('after a reset, what was in flight can be posted again, and all data blocks are there', async () => {
  const memory = new ArrayBuffer(4096 + 8 * 512)
  const producer = new RingProducer(memory, 'test', { ringBytes: 4096, blockBytes: 512 })
  const order: number[] = []
  const requests = Array.from({ length: 12 }, (_, i) => new Request(cdb.read16({ lba: i, blocks: 1 }), 512, undefined, () => order.push(i)))
  for (const r of requests) producer.post(r)
  const orphans = producer.reset()
  expect(orphans).toEqual(requests)
  expect(producer.inFlight).toBe(0)
  for (const r of orphans.slice(0, 8)) expect(producer.post(r)).toBe(true)
})

test('whatever the other side writes, only E_RING_BROKEN is thrown', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 60 }), fc.nat(5000), (pokes, tail) => {
    const memory = new ArrayBuffer(4096 + 64 * 512)
    const bytes = new Uint8Array(memory)
    const producer = new RingProducer(memory, 'test', { ringBytes: 4096, blockBytes: 512 })
    let answered = 0
    for (let i = 0; i < 10; i++) producer.post(new Request(cdb.read16({ lba: i, blocks: 1 }), 512, undefined, () => answered++))
    for (const [at, value] of pokes) bytes[at] = value
    new DataView(memory).setUint32(Mailbox.at.cmdTail, tail, true)
    try {
      producer.reap()
    } catch (e) {
      expect((e as { code?: string }).code).toBe('E_RING_BROKEN')
    }
    expect(answered).toBeLessThanOrEqual(10)
  }), { numRuns: 500 })
})
