import fc from 'fast-check'
import { type BlockRange, DescriptorSense, Direction, type Extent, FixedSense, InformationDescriptor, type Nexus, noData, Segments } from '@tcmu/host/scsi'
import { InitiatorTask } from '@tcmu/host/testing'
import { createReservations } from '../../packages/iscsi/src/reservations'
import { BLOCK, type Expected, Model } from '../lib/disk-model/model'
import { forWhom } from '../lib/disk-model/reservation-steps'
import { kinds } from '../lib/disk-model/steps'
import type { Sent } from '../lib/disk-model/kind'
import { disk } from './harness'

/** Sequences of up to 400, 200 on average: more than 10^5 commands a run. TCMU_MODEL_RUNS asks for more. */
const RUNS = Number(process.env['TCMU_MODEL_RUNS'] ?? 600)
const STEPS = 400
const BLOCKS = 64
const nexuses: readonly Nexus[] = ['one', 'two', 'three'].map((name) => ({ name }))

/** Storage block by block, as the handler of a thin disk knows it. */
function storage() {
  const mapped = new Array<boolean>(BLOCKS).fill(false)
  const mark = (r: { offset: number; length: number }, state: boolean): void => void mapped.fill(state, r.offset / BLOCK, (r.offset + r.length) / BLOCK)
  return {
    write(memory: Uint8Array, io: { offset: number; length: number; data: Segments }) {
      mark(io, true)
      io.data.copyTo(memory.subarray(io.offset, io.offset + io.length))
    },
    unmap(memory: Uint8Array, r: BlockRange) {
      mark(r, false)
      memory.fill(0, r.offset, r.offset + r.length)
    },
    extents: (_memory: Uint8Array, r: BlockRange): Extent[] =>
      Array.from({ length: r.length / BLOCK }, (_, i) => ({ offset: r.offset + i * BLOCK, length: BLOCK, state: mapped[r.offset / BLOCK + i] ? 'mapped' : 'deallocated' })),
  }
}

async function unit() {
  const d = await disk({ sizeBytes: BLOCKS * BLOCK, handler: storage() })
  for (const nexus of nexuses) d.device.join(nexus)
  const reservations = createReservations(d.device, {
    port: { relativeId: 1 },
    nexusInfo: (nexus) => ({ initiatorName: `iqn.2026-11.test:${nexus.name}`, isid: '000000000001', targetPort: 'iqn.2026-11.test:t,t,0x0001', relativePort: 1 }),
  })
  d.device.extend(reservations.extension)
  return { ...d, reservations }
}

function execute(device: Awaited<ReturnType<typeof unit>>['device'], who: number, sent: Sent): Promise<InitiatorTask> {
  return new Promise((resolve) => {
    const task = new InitiatorTask(nexuses[who]!, sent.cdb, resolve)
    task.direction = sent.out ? Direction.OUT : sent.in ? Direction.IN : Direction.NONE
    task.expected = sent.out?.length ?? sent.in ?? 0
    task.data = task.expected === 0 ? noData : sent.out ? Segments.of(Uint8Array.from(sent.out)) : Segments.of(new Uint8Array(task.expected).fill(0xee))
    device.execute(task)
  })
}

/** Sense data of either format, taken apart. */
function decoded(bytes: Uint8Array): { descriptor: boolean; key: number; asc: number; information: number | undefined } {
  if ((bytes[0]! & 0x7f) === 0x70) {
    const { valid, information, key, asc } = FixedSense.decode(bytes)
    return { descriptor: false, key, asc, information: valid ? information : undefined }
  }
  const { key, asc } = DescriptorSense.decode(bytes)
  const has = bytes.length > DescriptorSense.size && bytes[DescriptorSense.size] === 0
  return { descriptor: true, key, asc, information: has ? InformationDescriptor.decode(bytes, DescriptorSense.size).information : undefined }
}

function compare(task: InitiatorTask, expected: Expected, dSense: boolean): void {
  expect(task.finished).toBe(1)
  const found = task.senseLength ? decoded(task.sense.slice(0, task.senseLength)) : undefined
  const wanted = expected.status === 0x02 ? { descriptor: dSense, key: expected.key, asc: expected.asc, information: expected.information } : undefined
  expect([task.status, found]).toEqual([expected.status, wanted])
  const data = task.direction === Direction.IN ? task.data.toBuffer().subarray(0, task.dataInLength) : Buffer.alloc(0)
  if (Buffer.compare(data, expected.data ?? Buffer.alloc(0)) !== 0) expect(data.toString('hex')).toBe(Buffer.from(expected.data ?? []).toString('hex'))
}

const RESET = 'reset'
const one = fc.oneof(...Object.entries(kinds).map(([name, k]) => fc.record({ name: fc.constant(name), who: fc.nat(nexuses.length - 1), p: k.parameters as fc.Arbitrary<unknown> })))
const step = fc.oneof({ arbitrary: one, weight: 100 }, { arbitrary: fc.constant({ name: RESET, who: 0, p: {} }), weight: 1 })

test('a disk and a plain model of one answer the same to any sequence of commands of several initiators', async () => {
  const seen = new Map<string, number>()
  let commands = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: STEPS, size: 'max' }), async (steps) => {
      const { device, memory, reservations } = await unit()
      const model = new Model(BLOCKS, nexuses.length)
      for (const { name, who, p } of steps) {
        if (name === RESET) {
          await device.reset()
          reservations.reset()
          model.reset()
          continue
        }
        const k = kinds[name]!
        const parameters = forWhom(p, model, who)
        const sent = k.send(parameters, model)
        const expected = model.admit(who, k.use, k.malformed?.(parameters)) ?? k.expect(parameters, model, sent, who)
        compare(await execute(device, who, sent), expected, model.dSense)
        seen.set(`${name} ${expected.status}`, (seen.get(`${name} ${expected.status}`) ?? 0) + 1)
        commands++
      }
      expect(Buffer.compare(Buffer.from(memory), model.bytes)).toBe(0)
      expect(device.inflight).toBe(0)
    }),
    { numRuns: RUNS },
  )
  process.stdout.write(`model: ${commands} commands, ${[...seen].filter(([k]) => k.endsWith(' 0')).reduce((n, [, c]) => n + c, 0)} of them GOOD\n`)
  if (RUNS >= 600) expect(commands).toBeGreaterThan(100_000)
  // What never succeeds shows nothing.
  for (const name of Object.keys(kinds)) if (name !== 'unknown') expect(seen.get(`${name} 0`)).toBeGreaterThan(0)
})
