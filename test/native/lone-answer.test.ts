import { closeSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import type { IoFile, Mover } from '../../packages/host/src/handler/types'
import { loadNative, type NativeUioMap } from '../../packages/host/src/platform/native'
import { type Command, Ring } from '../../packages/host/src/ring'
import { Mailbox } from '../../packages/host/src/ring/abi'
import { Status } from '../../packages/host/src/scsi'
import { sam } from '../../packages/host/src/scsi/status'
import { FakeKernel, type KernelAnswer } from '../../packages/host/src/testing'
import { temporaryFolder } from './lib'

const core = loadNative()
const RING = 4096
const DATA = 1 << 20
const BLOCK = 4096
const BLOCKS = 64
const SOON_MS = 60_000
const read10 = new Uint8Array([0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0])
const ready = new Uint8Array(6)

/** The answer to the only command of a ring, given by the thread that moved its data: a real mapping, a real doorbell, real threads. */
describe('the only command of a ring', () => {
  const path = join(temporaryFolder(), 'disk')
  writeFileSync(path, Buffer.concat(Array.from({ length: BLOCKS }, (_, i) => Buffer.alloc(BLOCK, i + 1))))
  let engine: IoEngine, file: IoFile, map: NativeUioMap, peer: NativeUioMap, kernel: FakeKernel, ring: Ring
  let mem: number, rung: number
  /** Commands that were moved, with what became of them. */
  const moved: [Command, Status | Error][] = []
  const mover: Mover<Command> = { moved: (command, outcome) => void moved.push([command, outcome]) }

  beforeEach(async () => {
    mem = core.memfd(RING + DATA)
    rung = core.eventfd()
    peer = new core.UioMap(mem, RING + DATA, core.eventfd(), core.eventfd(), 8)
    kernel = new FakeKernel({ ringBytes: RING, dataBytes: DATA, memory: peer.memory })
    map = new core.UioMap(mem, RING + DATA, core.eventfd(), rung, 8)
    ring = new Ring(map.memory, { nexus: { name: 'lone' }, finished: (c) => ring.complete(c), aborted: () => undefined })
    ring.lendTo(map.kickFd, map.wordSize)
    // Past the page cache, by threads: what is read is never there at once.
    engine = createIoEngine({ engine: 'threads' })
    file = await engine.open(path, { direct: true, readOnly: true })
    moved.length = 0
  })
  afterEach(async () => {
    await engine.close()
    map.close()
    kernel.close()
    peer.close()
    closeSync(mem)
  })

  const tail = (): number => Atomics.load(new Uint32Array(map.memory), Mailbox.at.cmdTail / 4)
  const doorbells = (): number => {
    try {
      const count = new BigUint64Array(1)
      readSync(rung, count)
      return Number(count[0])
    } catch {
      return 0
    }
  }
  /** Without a turn of the event loop. */
  const spin = (ms: number, holds = (): boolean => false): boolean => {
    for (const end = performance.now() + ms; performance.now() < end;) if (holds()) return true
    return false
  }
  const ended = async (): Promise<[Command, Status | Error]> => {
    while (moved.length === 0) await new Promise(setImmediate)
    return moved.pop()!
  }
  /** `write`: to a file that is open for reading only, which fails. */
  const begin = (block: number, told: (a: KernelAnswer) => void, write = false): Command => {
    kernel.queue(read10, { dataIn: BLOCK }, told)
    const command = ring.next()!
    file.move!(write, command.data, block * BLOCK, false, mover, command, ring.lend(command))
    engine.submit()
    return command
  }

  test('is answered while JavaScript does something else, and put away afterwards', async () => {
    const answers: KernelAnswer[] = []
    const before = tail()
    begin(7, (a) => answers.push(a))
    expect(spin(SOON_MS, () => tail() !== before)).toBe(true)
    expect(spin(SOON_MS, () => doorbells() > 0)).toBe(true)
    kernel.kick()
    expect(answers.map((a) => [a.status, a.data.every((b) => b === 8)])).toEqual([[sam.GOOD, true]])
    // The kernel may use its id and its memory again before anybody here has heard of its end.
    kernel.queue(ready, {}, (a) => answers.push(a))
    const next = ring.next()!
    const [command, outcome] = await ended()
    expect(outcome).toBe(Status.OK)
    command.finish()
    expect([ring.inFlight, ring.publish(), doorbells()]).toEqual([1, false, 0])
    next.finish()
    expect(ring.publish()).toBe(true)
    kernel.kick()
    expect(answers).toHaveLength(2)
    kernel.assertIdle()
  })

  test('is not answered by anybody else when it fails', async () => {
    const answers: KernelAnswer[] = []
    const before = tail()
    begin(0, (a) => answers.push(a), true)
    const [command, outcome] = await ended()
    expect([outcome instanceof Error, tail(), doorbells()]).toEqual([true, before, 0])
    command.status = sam.CHECK_CONDITION
    command.finish()
    expect(ring.publish()).toBe(true)
    kernel.kick()
    expect(answers.map((a) => a.status)).toEqual([sam.CHECK_CONDITION])
    kernel.assertIdle()
  })

  test('has one answer, whoever is first: the thread, or JavaScript that answers another one meanwhile', async () => {
    let answered = 0
    let byThread = 0
    const ROUNDS = 3000
    for (let i = 0; i < ROUNDS; i++) {
      const block = i % BLOCKS
      const command = begin(block, (a) => (answered += Number(a.status === sam.GOOD && a.data[0] === block + 1 && a.data[BLOCK - 1] === block + 1)))
      spin((i % 40) / 200)
      kernel.queue(ready, {}, () => answered++)
      const other = ring.next()!
      const early = doorbells() > 0
      other.finish()
      byThread += Number(early || command.answered)
      if (ring.publish()) kernel.kick()
      const [mine] = await ended()
      mine.dataInLength = BLOCK
      mine.finish()
      ring.publish()
      kernel.kick()
      doorbells()
    }
    expect(answered).toBe(2 * ROUNDS)
    expect(ring.inFlight).toBe(0)
    kernel.assertIdle()
    // Both happen, or nothing was tested.
    expect(byThread).toBeGreaterThan(0)
    expect(byThread).toBeLessThan(ROUNDS)
  })

  test('a reset takes it back', async () => {
    begin(3, () => undefined)
    const orphans = ring.reset()
    const now = tail()
    await ended().then(([command]) => command.finish())
    expect(orphans.length).toBeLessThanOrEqual(1)
    expect(tail()).toBe(now)
    kernel.reset()
  })
})
