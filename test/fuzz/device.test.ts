import { type BlockIo, type BlocksHandler, Status } from '../../packages/host/src/handler'
import { CmdRequest, EntryHeader, Iovec, Mailbox, MailboxFlag, Op, TmrEntry, type Command } from '../../packages/host/src/ring'
import { cmdBaseSize } from '../../packages/host/src/ring/abi'
import { blockCommands } from '../../packages/host/src/scsi'
import { LogLines, Pump, Random, testDevice } from '../../packages/host/src/testing'

/** How long to look; TCMU_FUZZ_SECONDS=600 npx jest --selectProjects fuzz … for longer. A failure names its seed: TCMU_FUZZ_SEED. */
const MS = Number(process.env['TCMU_FUZZ_SECONDS'] ?? 6) * 1000
const ONE = process.env['TCMU_FUZZ_SEED']
const RING = 2048
const DATA = 16_384
const DATA_OFF = Mailbox.size + RING
const SIZE = DATA_OFF + DATA
const BLOCK = 512
const BLOCKS = 64
/** Fills all memory that belongs to no command, and is in no data that an initiator sends. */
const CANARY = 0xdb
const STEPS = 60

const opcodes = [...new Set(blockCommands.map((row) => row.op))]
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const pick = <T>(random: Random, of: readonly T[]): T => of[random.below(of.length)]!

interface Range { readonly from: number; readonly to: number }

/** Answers now, later, with an error, or with nonsense; touches only what it is given. */
function moody(random: Random, seen: (bytes: Uint8Array) => void): BlocksHandler<Uint8Array> {
  const soon = async (): Promise<void> => {
    for (let n = random.below(4); n > 0; n--) await turn()
  }
  const act = (io: BlockIo, work: () => void): void | Status | Promise<void | Status> => {
    const mood = random.below(8)
    if (mood === 0) return Status.RD_ERR
    if (mood === 1) throw new Error('moody')
    if (mood === 2) return soon().then(() => Promise.reject(new Error('moody later')))
    if (mood === 3) return 'nonsense' as unknown as Status
    if (mood === 4) return void work()
    return soon().then(() => {
      // Some do not listen.
      if (mood === 5 || !io.signal.aborted) work()
    }).catch((e: unknown) => {
      // The ring was reset meanwhile.
      if ((e as { code?: string }).code !== 'E_SEGMENTS_REVOKED') throw e
    })
  }
  return {
    subtype: 'moody',
    open: (dev) => new Uint8Array(dev.sizeBytes),
    read: (ram, io) => act(io, () => void io.data.set(ram.subarray(io.offset, io.offset + io.length))),
    write: (ram, io) => act(io, () => {
      seen(io.data.toBuffer())
      io.data.copyTo(ram.subarray(io.offset, io.offset + io.length))
    }),
    unmap: (ram, range) => void ram.fill(0, range.offset, range.offset + range.length),
    flush: () => soon(),
  }
}

/** The kernel's side, written by somebody who means harm. */
class Peer {
  readonly memory = new ArrayBuffer(SIZE)
  readonly bytes = new Uint8Array(this.memory)
  readonly words = new Uint32Array(this.memory)
  private head = 0
  private wake: () => void = () => undefined

  constructor(private readonly random: Random) {
    this.bytes.fill(CANARY)
    this.bytes.fill(0, 0, Mailbox.size)
    const flags = MailboxFlag.OOOC | pick(random, [0, MailboxFlag.READ_LEN, MailboxFlag.READ_LEN | MailboxFlag.TMR])
    Mailbox.encode({ version: 2, flags, cmdrOff: Mailbox.size, cmdrSize: RING }, this.bytes)
  }
  onWake(fn: () => void): void {
    this.wake = fn
  }
  kick(): void {
    // The kernel takes completions here.
  }
  ring(): void {
    this.wake()
  }

  setHead(value: number): void {
    this.words[Mailbox.at.cmdHead >> 2] = value
    if (value < RING && value % 8 === 0) this.head = value
  }
  private place(length: number): number {
    if (RING - this.head < length) {
      this.words[(Mailbox.size + this.head) >> 2] = (RING - this.head) | Op.PAD
      this.head = 0
    }
    return Mailbox.size + this.head
  }

  private cdb(): Uint8Array {
    const cdb = this.random.bytes(32)
    cdb[0] = this.random.below(10) === 0 ? this.random.below(256) : pick(this.random, opcodes)
    // Most address what is there: low bytes of LBA and length for the shapes of 6, 10 and 16 bytes.
    if (this.random.below(4) > 0) {
      cdb.fill(0, 1)
      for (const at of [3, 5, 9]) cdb[at] = this.random.below(BLOCKS)
      for (const at of [4, 8, 13]) cdb[at] = this.random.below(9)
    }
    return cdb
  }

  /** A command, right or nearly so; bytes of its data are an initiator's: below the canary. */
  command(): void {
    const { random } = this
    const iovecs = random.below(4)
    const bidi = random.below(12) === 0 ? 1 : 0
    const base = cmdBaseSize(iovecs + bidi)
    const length = base + 32
    const start = this.place(length)
    this.bytes.fill(0, start, start + length)
    CmdRequest.encode({ iovCnt: iovecs, iovBidiCnt: bidi, cdbOff: start + base }, this.bytes, start)
    for (let i = 0; i < iovecs + bidi; i++) {
      const at = DATA_OFF + random.below(DATA)
      const size = pick(random, [0, 1, 511, 512, 1024, 4096])
      Iovec.encode({ base: at, length: size }, this.bytes, start + CmdRequest.size + i * Iovec.size)
    }
    this.bytes.set(this.cdb(), start + base)
    EntryHeader.encode({ lenOp: length | Op.CMD, cmdId: 1 + random.below(40), uflags: pick(random, [0, 0, 7]), kflags: pick(random, [0, 0, 255]) }, this.bytes, start)
    if (random.below(12) === 0) this.words[(start >> 2) + random.below(length >> 2)] = this.number()
    this.setHead((start - Mailbox.size + length) % RING)
  }

  other(): void {
    const { random } = this
    const op = random.below(8)
    const length = op === Op.TMR ? TmrEntry.size + 8 : 8 + 8 * random.below(4)
    const start = this.place(length)
    this.bytes.fill(0, start, start + length)
    if (op === Op.TMR) {
      TmrEntry.encode({ tmrType: random.below(9), cmdCnt: pick(random, [1, 2, 4, 4_000_000]) }, this.bytes, start)
      for (let i = 0; i < 4; i++) this.bytes[start + TmrEntry.size + 2 * i] = random.below(41)
    }
    EntryHeader.encode({ lenOp: (length | (op === Op.CMD ? Op.PAD : op)) >>> 0, cmdId: 0 }, this.bytes, start)
    this.setHead((start - Mailbox.size + length) % RING)
  }

  private number(): number {
    const { random } = this
    return pick(random, [0, 1, 8, random.below(RING), DATA_OFF + random.below(DATA), 0x7fffffff, 0x80000000, 0xffffffff, random.below(2 ** 31)])
  }

  /** Overwrite something it has no business to, mailbox and posted entries included. */
  garble(): void {
    this.words[this.random.below(DATA_OFF >> 2)] = this.number()
  }
}

/** One run: a device behind a pump behind such a peer. Throws what must not be. */
async function run(seed: number): Promise<{ finished: number; broken: number }> {
  const random = new Random(seed)
  const peer = new Peer(random)
  const foreign: string[] = []
  const device = await testDevice(moody(random, (bytes) => {
    if (bytes.includes(CANARY)) foreign.push('a write carried bytes of nobody')
  }), { sizeBytes: BLOCK * BLOCKS, log: new LogLines() })
  const live = new Map<Command, Range[]>()
  const during: Range[] = []
  let finished = 0
  let broken = 0
  const unit = {
    name: 'fuzz',
    execute: (task: Parameters<typeof device.execute>[0]): void => {
      const command = task as Command
      if (live.has(command)) throw new Error('a command that is under way was executed again')
      const ranges = [command.segments, command.bidi].flatMap((s) => (s.revoked ? [] : Array.from({ length: s.count }, (_, i) => ({ from: s.offsets[i]!, to: s.offsets[i]! + s.lengths[i]! }))))
      for (const { from, to } of ranges) peer.bytes.fill(seed & 0x7f, from, to)
      live.set(command, ranges)
      during.push(...ranges)
      device.execute(command)
    },
    abort: (which: Parameters<typeof device.abort>[0]) => device.abort(which),
    join: () => undefined,
    leave: () => undefined,
  }
  const failures: unknown[] = []
  const pump = new Pump(peer, unit, { broken: (e) => void (broken++, e.code === 'E_RING_BROKEN' || failures.push(e)), failed: (e) => void failures.push(e), maxInFlight: 8 })
  const finish = pump.finished.bind(pump)
  pump.finished = (command) => {
    if (live.delete(command)) finished++
    else if (command.id !== 0 && command.row !== undefined) failures.push(new Error(`command ${command.id} was finished twice`))
    finish(command)
  }
  let before = peer.bytes.slice()
  const check = (): void => {
    const after = peer.bytes
    for (let i = DATA_OFF; i < SIZE; i++) {
      if (before[i] !== after[i] && !during.some((r) => i >= r.from && i < r.to)) throw new Error(`byte ${i} was written, and belongs to no live command`)
    }
    for (let i = 0; i < Mailbox.size; i++) {
      if (before[i] !== after[i] && (i < Mailbox.at.cmdTail || i >= Mailbox.at.cmdTail + 4)) throw new Error(`byte ${i} of the mailbox was written`)
    }
    if (failures.length > 0) throw failures[0] as Error
    if (foreign.length > 0) throw new Error(foreign[0])
    during.splice(0, Infinity, ...[...live.values()].flat())
    before = after.slice()
  }
  for (let n = 0; n < STEPS; n++) {
    const what = random.below(20)
    if (what < 11) peer.command()
    else if (what < 13) peer.other()
    else if (what === 13) peer.garble()
    else if (what === 14) peer.setHead(pick(random, [0, 8, RING - 8, random.below(RING), 0xffffffff, random.below(RING / 8) * 8]))
    before = peer.bytes.slice()
    if (what === 15 || (broken > 0 && random.below(3) === 0)) {
      void pump.abandon()
      check()
      // From here on their memory is somebody else's.
      for (const command of live.keys()) live.set(command, [])
      during.length = 0
      await turn()
      check()
      peer.setHead(0)
      before = peer.bytes.slice()
      pump.start()
    }
    peer.ring()
    if (random.below(2) === 0) await turn()
    check()
  }
  for (let n = 0; n < 100 && (live.size > 0 || device.inflight > 0); n++) await turn()
  check()
  if (live.size > 0 || device.inflight > 0) throw new Error(`${live.size} commands were not finished, ${device.inflight} are in flight`)
  pump.close()
  await device.close(0)
  return { finished, broken }
}

test('a device behind a hostile peer: nothing escapes, nothing strays, every command ends once', async () => {
  const escaped: unknown[] = []
  const note = (e: unknown): void => void escaped.push(e)
  process.on('unhandledRejection', note)
  try {
    const end = performance.now() + MS
    let runs = 0
    let finished = 0
    let broken = 0
    for (let seed = ONE === undefined ? 1 : Number(ONE); performance.now() < end; seed++) {
      try {
        const r = await run(seed)
        finished += r.finished
        broken += r.broken
      } catch (e) {
        throw new Error(`seed ${seed}: ${(e as Error).stack}`)
      }
      if (escaped.length > 0) throw new Error(`seed ${seed}: unhandled: ${String(escaped[0])}`)
      runs++
      if (ONE !== undefined) break
    }
    // Both ends are reached, or this test would prove nothing.
    if (ONE === undefined) expect([finished > runs, broken > runs / 20]).toEqual([true, true])
  } finally {
    process.off('unhandledRejection', note)
  }
}, MS + 60_000)

