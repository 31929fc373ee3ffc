import { sam, type Task } from '../scsi'
import { EntryHeader, Mailbox, Op, TmrType } from '../ring/abi'
import type { Command } from '../ring'
import { FakeKernel, type FakeKernelOptions } from '../testing/fake-kernel'
import { Pump, type PumpedUnit, type PumpOptions } from './pump'

const tur = new Uint8Array(6)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A logical unit that does what the test says. */
class Unit implements PumpedUnit {
  readonly name = 'stub'
  readonly tasks: Command[] = []
  readonly aborted: Task[] = []
  joined = 0
  constructor(private readonly run: (task: Command) => void = () => {}) {}
  execute(task: Task): void {
    this.tasks.push(task as Command)
    this.run(task as Command)
  }
  abort(which: (task: Task) => boolean): Promise<number> {
    this.aborted.push(...this.tasks.filter(which))
    return Promise.resolve(this.aborted.length)
  }
  join(): void {
    this.joined++
  }
  leave(): void {
    this.joined--
  }
}
const atOnce = (task: Command): void => task.finish()

function start(unit: Unit, options: PumpOptions & FakeKernelOptions = {}): { kernel: FakeKernel; pump: Pump } {
  const kernel = new FakeKernel({ ringBytes: 65536, ...options })
  return { kernel, pump: new Pump(kernel, unit, options) }
}
const post = (kernel: FakeKernel, n: number): number[] => Array.from({ length: n }, () => kernel.queue(tur))

test('commands answered at once cost one doorbell a batch', async () => {
  const { kernel } = start(new Unit(atOnce))
  post(kernel, 100)
  await turn()
  expect([kernel.kicks, kernel.reap().length]).toEqual([1, 100])
  post(kernel, 1)
  await turn()
  expect(kernel.kicks).toBe(2)
  kernel.assertIdle()
})

test('what was in the ring before the pump is taken too', async () => {
  const kernel = new FakeKernel()
  post(kernel, 3)
  new Pump(kernel, new Unit(atOnce))
  await turn()
  expect(kernel.reap()).toHaveLength(3)
})

test('results that come together later cost one doorbell, whatever their order', async () => {
  const unit = new Unit()
  const { kernel } = start(unit)
  post(kernel, 50)
  await turn()
  expect([unit.tasks.length, kernel.kicks]).toEqual([50, 0])
  unit.tasks.reverse().forEach((task, i) => void Promise.resolve().then(i % 2 ? undefined : () => {}).then(() => task.finish()))
  await turn()
  expect([kernel.kicks, kernel.reap().length]).toEqual([1, 50])
  kernel.assertIdle()
})

test('a batch ends after 128 commands, and others get their turn', async () => {
  const unit = new Unit(atOnce)
  const flushed: number[] = []
  const { kernel } = start(unit, { flush: () => void flushed.push(unit.tasks.length) })
  await turn()
  flushed.length = 0
  post(kernel, 300)
  const order: string[] = []
  for (let i = 0; i < 4; i++) {
    await turn()
    order.push(`turn with ${unit.tasks.length}`)
  }
  expect(order).toEqual(['turn with 128', 'turn with 256', 'turn with 300', 'turn with 300'])
  // Parts of a batch are as long as they took time; a batch ends where it ends.
  expect(flushed).toEqual(expect.arrayContaining([128, 256, 300]))
  expect(kernel.kicks).toBe(flushed.length)
})

test('what takes long is answered in parts, each with its doorbell', async () => {
  const busy = (micros: number) => (task: Command): void => {
    for (const end = performance.now() + micros / 1000; performance.now() < end;);
    task.finish()
  }
  const unit = new Unit(busy(20))
  const { kernel } = start(unit)
  await turn()
  post(kernel, 64)
  await turn()
  post(kernel, 64)
  const before = kernel.kicks
  await turn()
  expect(unit.tasks.length).toBe(128)
  expect(kernel.kicks - before).toBe(8)
})

test('what takes long and is answered by promise comes in parts too, each before the next is taken', async () => {
  const events: string[] = []
  const unit = new Unit((task) => {
    const end = performance.now() + 0.01
    while (performance.now() < end);
    events.push('taken')
    // As a handler of async functions that awaits its file: some microtasks.
    void Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve()).then(() => {
      events.push('answered')
      task.finish()
    })
  })
  const { kernel } = start(unit)
  // The first batch tells how long a command takes.
  post(kernel, 64)
  await turn()
  await turn()
  kernel.reap()
  const before = kernel.kicks
  events.length = 0
  post(kernel, 64)
  await turn()
  await turn()
  expect(kernel.reap()).toHaveLength(64)
  expect(kernel.kicks - before).toBeGreaterThan(3)
  expect(events.indexOf('answered')).toBeLessThan(32)
  kernel.assertIdle()
})

test('nothing is taken above the limit of live commands, and the rest when there is room', async () => {
  const unit = new Unit()
  const { kernel, pump } = start(unit, { maxInFlight: 10 })
  post(kernel, 25)
  await turn()
  expect([unit.tasks.length, pump.ring.inFlight]).toEqual([10, 10])
  unit.tasks.slice(0, 4).forEach((t) => t.finish())
  await turn()
  await turn()
  expect([unit.tasks.length, pump.ring.inFlight]).toEqual([14, 10])
  for (let done = 4; done < 25; done++) {
    unit.tasks[done].finish()
    await turn()
  }
  await turn()
  expect(kernel.reap()).toHaveLength(25)
  kernel.assertIdle()
})

test('aborted commands are passed on by identity and still answered', async () => {
  const unit = new Unit()
  const { kernel } = start(unit)
  const ids = post(kernel, 3)
  await turn()
  kernel.tmr(TmrType.ABORT_TASK_SET, ids.slice(1))
  await turn()
  expect(unit.aborted.map((t) => (t as Command).id)).toEqual(ids.slice(1))
  unit.tasks.forEach((t) => t.finish())
  await turn()
  expect(kernel.reap().map((a) => a.status)).toEqual([sam.GOOD, sam.TASK_ABORTED, sam.TASK_ABORTED])
  kernel.assertIdle()
})

test('notices without commands are consumed and the kernel is told', async () => {
  const { kernel } = start(new Unit())
  kernel.tmr(TmrType.LUN_RESET, [])
  await turn()
  expect(kernel.kicks).toBe(1)
  kernel.assertIdle()
})

test('a corrupt ring stops the pump, says so once, and works again after a reset', async () => {
  const broken: string[] = []
  const unit = new Unit()
  const { kernel, pump } = start(unit, { broken: (e) => void broken.push(e.message) })
  post(kernel, 2)
  EntryHeader.encode({ lenOp: 8 | Op.CMD }, kernel.bytes, Mailbox.size + 120)
  await turn()
  pump.wake()
  expect(broken).toEqual([expect.stringMatching(/^E_RING_BROKEN: kernel ring of stub: the ring is corrupt: at position 120: an entry of 8 bytes/)])
  await pump.abandon()
  kernel.reset()
  pump.start()
  expect(unit.aborted).toEqual(unit.tasks)
  unit.tasks.splice(0).forEach((t) => t.finish())
  post(kernel, 1)
  await turn()
  await turn()
  unit.tasks[0].finish()
  await turn()
  expect(kernel.reap().map((a) => a.status)).toEqual([sam.BUSY, sam.BUSY, sam.GOOD])
  kernel.assertIdle()
})

test('a logical unit that throws gets its command answered', async () => {
  const thrown: unknown[] = []
  const { kernel } = start(new Unit(() => { throw new Error('oops') }), { failed: (e) => void thrown.push(e) })
  post(kernel, 2)
  await turn()
  expect(kernel.reap().map((a) => a.status)).toEqual([sam.CHECK_CONDITION, sam.CHECK_CONDITION])
  expect(thrown).toHaveLength(2)
  kernel.assertIdle()
})

test('malformed entries are reported', async () => {
  const faults: number[] = []
  const { kernel } = start(new Unit(atOnce), { malformed: (f) => void faults.push(f.position) })
  kernel.strange(6, 16)
  post(kernel, 1)
  await turn()
  expect(faults).toEqual([0])
  expect(kernel.reap()).toHaveLength(1)
  kernel.assertIdle()
})

describe('stop', () => {
  test('waits for what is live, takes nothing new, and can be undone', async () => {
    const unit = new Unit()
    const { kernel, pump } = start(unit)
    post(kernel, 2)
    await turn()
    const stopped = pump.stop(1000)
    post(kernel, 1)
    await turn()
    expect(unit.tasks).toHaveLength(2)
    unit.tasks.forEach((t) => t.finish())
    expect(await stopped).toBe(true)
    expect([kernel.kicks, kernel.reap().length, await pump.stop(1000)]).toEqual([1, 2, true])
    pump.start()
    await turn()
    expect(unit.tasks).toHaveLength(3)
  })
  test('tells the kernel of what has just been finished, and so does close', async () => {
    for (const end of [(p: Pump) => p.stop(0), (p: Pump) => Promise.resolve(p.close())]) {
      const unit = new Unit()
      const { kernel, pump } = start(unit)
      post(kernel, 1)
      await turn()
      unit.tasks[0]!.finish()
      const ended = end(pump)
      expect([kernel.kicks, kernel.reap().length]).toEqual([1, 1])
      await ended
    }
  })
  test('gives up at the deadline', async () => {
    const { kernel, pump } = start(new Unit())
    post(kernel, 1)
    await turn()
    expect(await pump.stop(5)).toBe(false)
  })
})

test('after close, results are swallowed and the memory is left alone', async () => {
  const unit = new Unit()
  const { kernel, pump } = start(unit)
  post(kernel, 2)
  await turn()
  expect(unit.joined).toBe(1)
  pump.close()
  pump.close()
  expect([unit.joined, unit.aborted.length]).toEqual([0, 2])
  const before = kernel.bytes.slice()
  unit.tasks.forEach((t) => t.finish())
  pump.wake()
  await turn()
  expect(Buffer.compare(kernel.bytes, before)).toBe(0)
  expect(kernel.kicks).toBe(0)
})
