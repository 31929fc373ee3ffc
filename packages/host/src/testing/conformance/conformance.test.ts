import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlockIo, BlocksHandler, CommandsHandler, DeviceInfo, Handler, IoFile } from '../../handler'
import { op, Status, type Task } from '../../scsi'
import { AllCommandsHeader, CommandDescriptor } from '../../scsi/commands/report'
import { ramHandler } from '../handlers/ram'
import { checkConformance, type Conformance, handlerConformance, handlerPromises, type TestRunner } from '.'

const MIB = 1 << 20
const ram = (change: Partial<BlocksHandler<Uint8Array>> = {}): Conformance =>
  ({ handler: { ...ramHandler, ...change }, config: () => '', geometry: { sizeBytes: MIB }, volatile: true })

async function brokenPromises(conformance: Conformance, which = ''): Promise<Record<string, string>> {
  const out: Record<string, string> = {}
  const chosen = handlerPromises.filter((p) => p.name.startsWith(which))
  for await (const r of checkConformance(conformance, chosen)) if (r.outcome === 'broken') out[r.promise] = r.reason!
  return out
}

describe('handlers that keep their promises', () => {
  handlerConformance(ram())
  handlerConformance({ ...ram(), geometry: { sizeBytes: MIB, blockSize: 4096 } })
})

/** More than a block: what such handlers read, change and write back. */
const CLUSTER = 4096
const part = (m: Uint8Array, { offset, length }: { offset: number; length: number }): Uint8Array => m.subarray(offset, offset + length)
const shared = new Uint8Array(MIB)
const leaked: { close(): unknown }[] = []
const folder = mkdtempSync(join(tmpdir(), 'tcmu-conformance-'))
afterAll(async () => {
  for (const handle of leaked) await handle.close()
  rmSync(folder, { recursive: true })
})

/** A handler over a file that hides errors: it serves what it has in memory. */
const cheats: BlocksHandler<{ file: Awaited<ReturnType<DeviceInfo['io']['open']>>; ram: Uint8Array }> = {
  subtype: 'cheats',
  open: async (dev) => ({ file: await dev.io.open(join(folder, 'disk'), { create: true, size: dev.sizeBytes }), ram: new Uint8Array(dev.sizeBytes) }),
  close: ({ file }) => file.close(),
  read: ({ ram: r }, io) => void io.data.set(part(r, io)),
  write: async ({ file, ram: r }, io) => {
    io.data.copyTo(part(r, io))
    await Promise.resolve(file.writev(io.data, io.offset)).catch(() => Status.OK)
  },
}

/** The same, with a file that is opened when it is first written to. */
const cheatsLater: BlocksHandler<{ dev: DeviceInfo; file?: IoFile; ram: Uint8Array }> = {
  subtype: 'cheats_later',
  open: (dev) => ({ dev, ram: new Uint8Array(dev.sizeBytes) }),
  close: ({ file }) => file?.close(),
  read: ({ ram: r }, io) => void io.data.set(part(r, io)),
  write: async (disk, io) => {
    io.data.copyTo(part(disk.ram, io))
    disk.file ??= await disk.dev.io.open(join(folder, 'later'), { create: true, size: disk.dev.sizeBytes })
    await Promise.resolve(disk.file.writev(io.data, io.offset)).catch(() => Status.OK)
  },
}

let locked = false
let turns = 0

const commands = (handleCmd: CommandsHandler['handleCmd'], more: Partial<CommandsHandler> = {}): Conformance =>
  ({ handler: { subtype: 'own', open: () => ({}), handleCmd, ...more }, config: '', geometry: { sizeBytes: MIB } })
/** INQUIRY data of a processor device, type 3. */
const inquiryData = (type: number): Uint8Array => Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? type : i === 2 ? 6 : i === 3 ? 2 : i === 4 ? 91 : 0x20))
const honest: CommandsHandler['handleCmd'] = (_state, task) => {
  if (task.cdb[0] === 0x12) return task.cdb[1] ? task.invalidCdb(1, 0) : task.respond(inquiryData(3), task.cdb[3]! * 256 + task.cdb[4]!)
  if (task.cdb[0] === 0x03) return task.respond(new Uint8Array(18).fill(0x70, 0, 1), task.cdb[4]!)
  return task.cdb[0] === 0 ? Status.OK : Status.NOT_HANDLED
}

/** VPD page B2h with LBPU=1, and a list of commands with UNMAP alone: what a device says that can unmap. */
const canUnmap = Uint8Array.of(0, 0xb2, 0, 4, 0, 0x80, 2, 0)
const justUnmap = Buffer.concat([AllCommandsHeader.encode({ length: CommandDescriptor.size }), CommandDescriptor.encode({ opcode: op.UNMAP, cdbLength: 10 })])
const isPage = (task: Task, code: number): boolean => task.cdb[0] === op.INQUIRY && task.cdb[1] === 1 && task.cdb[2] === code

/** Each promise, and a handler that breaks it. */
const bugs: readonly { promise: string; says: RegExp; conformance: () => Conformance }[] = [
  { promise: 'says in a sentence', says: /threw/, conformance: () => ram({ checkConfig: (c) => { if (c.length > 100) throw new Error('long'); return true } }) },
  { promise: 'says in a sentence', says: /must be refused/, conformance: () => ({ ...ram({ checkConfig: () => true }), badConfigs: ['nonsense'] }) },
  {
    promise: 'opens and closes', says: /file descriptors/,
    conformance: () => ram({ open: async (dev) => { leaked.push(await open('/dev/null')); return new Uint8Array(dev.sizeBytes) } }),
  },
  { promise: 'opens and closes', says: /2\. time|busy/i, conformance: () => ram({ open: (dev) => { if (locked) throw new Error('busy'); locked = true; return new Uint8Array(dev.sizeBytes) } }) },
  {
    promise: 'reads back', says: /one piece/,
    conformance: () => ram({ write: (r, io) => void r.set(io.data.toBuffer().subarray(0, io.data.lengths[0]), io.offset) }),
  },
  { promise: 'handles no blocks', says: /last block/, conformance: () => ram({ write: (r, io) => void (io.offset + io.length < MIB && io.data.copyTo(part(r, io))) }) },
  {
    promise: 'takes many writes', says: /larger units one at a time/,
    conformance: () => ram({
      write: async (r, io) => {
        const start = io.offset - (io.offset % CLUSTER)
        const cluster = r.slice(start, start + CLUSTER + io.length)
        await sleep(1)
        io.data.copyTo(cluster, io.offset - start)
        r.set(cluster, start)
      },
    }),
  },
  {
    promise: 'takes many writes', says: /part one write's and part another's/,
    conformance: () => ram({
      write: async (r, io) => {
        const half = io.length / 2
        io.data.slice(0, half).copyTo(part(r, io))
        await sleep(turns++ % 3)
        io.data.slice(half).copyTo(part(r, io).subarray(half))
      },
    }),
  },
  { promise: 'has what was written', says: /opened again/, conformance: () => ({ ...ram(), volatile: false }) },
  {
    promise: 'leaves the data', says: /after it was answered/,
    conformance: () => ram({ read: (r, io) => { const { data } = io; data.set(part(r, io)); setTimeout(() => { try { data.zero() } catch { /* as if nothing were */ } }, 5) } }),
  },
  { promise: 'shows initiators', says: /LBPU=1/, conformance: () => ram({ unmap: undefined, handleCmd: (_, task) => (isPage(task, 0xb2) ? task.respond(canUnmap, 64) : Status.NOT_HANDLED) }) },
  {
    promise: 'shows initiators', says: /UNMAP is among/,
    conformance: () => ram({ unmap: undefined, handleCmd: (_, task) => (task.cdb[0] === op.MAINTENANCE_IN ? task.respond(justUnmap, 4096) : Status.NOT_HANDLED) }),
  },
  { promise: 'answers a flush', says: /GOOD/, conformance: () => ram({ flush: () => { if (turns++ === 0) return; throw Object.assign(new Error('EIO'), { code: 'EIO' }) } }) },
  { promise: 'unmaps', says: /unmapped range/, conformance: () => ram({ unmap: (r, range) => void r.fill(0, range.offset, range.offset + range.length + 1) }) },
  { promise: 'unmaps', says: /unmappedReadsZero/, conformance: () => ram({ unmap: () => {} }) },
  { promise: 'writes one block', says: /after WRITE SAME/, conformance: () => ram({ writeSame: (r, io) => void io.data.copyTo(part(r, io)) }) },
  {
    promise: 'compares before', says: /expected CHECK CONDITION, MISCOMPARE/,
    conformance: () => ram({ compareAndWrite: (r, io) => void io.data.slice(io.length).copyTo(part(r, io)) }),
  },
  { promise: 'tells which parts', says: /leave out|end at/, conformance: () => ram({ extents: () => [{ offset: 4096, length: 4096, state: 'mapped' }] }) },
  { promise: 'says how much storage', says: /not \{ used, available \}/, conformance: () => ram({ space: () => ({ used: NaN, available: 0 }) }) },
  { promise: 'says how much storage', says: /says that 0 are used/, conformance: () => ram({ space: () => ({ used: 0, available: MIB }) }) },
  { promise: 'takes its lock', says: /answered FENCED/, conformance: () => ram({ lock: () => Status.FENCED }) },
  { promise: 'takes its lock', says: /getLockState says 'unlocked'/, conformance: () => ram({ lock: () => {}, getLockState: () => 'unlocked' }) },
  { promise: 'takes its lock', says: /still holds it/, conformance: () => ram({ lock: () => {}, unlock: () => {}, getLockTag: () => ({ tag: 7 }) }) },
  { promise: 'takes its lock', says: /not \{ tag: 7 \}/, conformance: () => ram({ lock: () => {}, getLockTag: () => Status.NO_LOCK_HOLDERS }) },
  { promise: 'grows', says: /last block|GOOD/, conformance: () => ram({ reconfigure: () => Status.OK }) },
  { promise: 'passes failures', says: /FUA/, conformance: () => ({ handler: cheats, config: '', geometry: { sizeBytes: MIB }, volatile: true }) },
  { promise: 'passes failures', says: /FUA/, conformance: () => ({ handler: cheatsLater, config: '', geometry: { sizeBytes: MIB }, volatile: true }) },
  {
    promise: 'lets go', says: /did not end/,
    conformance: () => ({ ...ram({ write: (r, io) => { io.data.copyTo(part(r, io)); return hangsWhenAborted(io) } }), patienceMs: 300 }),
  },
  {
    promise: 'is closed when', says: /writes under way at close did not end/,
    conformance: () => ({ ...ram({ write: (r, io) => (turns++ === 30 ? new Promise(() => undefined) : void io.data.copyTo(part(r, io))) }), patienceMs: 300 }),
  },
  { promise: 'is closed when', says: /expected GOOD/, conformance: () => ram({ write: (r, io) => (turns++ > 8 ? Status.BUSY : void io.data.copyTo(part(r, io))) }) },
  { promise: 'keeps two devices apart', says: /state in what/, conformance: () => ram({ open: () => shared }) },
  {
    promise: 'gives the event loop back', says: /held the event loop/,
    conformance: () => ram({ read: (r, io) => { const until = performance.now() + (turns++ % 8 ? 0 : 1300); while (performance.now() < until); io.data.set(part(r, io)) } }),
  },
  { promise: 'answers INQUIRY', says: /device type/, conformance: () => commands(honest, { deviceType: 5 }) },
  { promise: 'answers INQUIRY', says: /expected/, conformance: () => commands((s, t, u) => t.cdb[0] === 0xff ? Status.OK : honest(s, t, u), { deviceType: 3 }) },
  { promise: 'answers every command', says: /did not end/, conformance: () => ({ ...commands((s, t, u) => t.cdb[0] === 0x25 ? new Promise(() => {}) : honest(s, t, u), { deviceType: 3 }), patienceMs: 300 }) },
]

function hangsWhenAborted(io: BlockIo): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 20)
    io.signal.addEventListener('abort', () => clearTimeout(timer))
  })
}

describe('each promise catches the handler that breaks it', () => {
  beforeEach(() => {
    locked = false
    turns = 0
  })

  test.each(bugs)('$promise: $says', async ({ promise, says, conformance }) => {
    expect(Object.values(await brokenPromises(conformance(), promise))).toEqual([expect.stringMatching(says)])
  })

  test.each(handlerPromises.map((p) => p.name))('%s: somebody breaks it', (name) => {
    expect(bugs.filter(({ promise }) => name.startsWith(promise)).length).toBeGreaterThan(0)
  })

  test('a handler of shape commands that does as it says keeps all that apply', async () => {
    expect(await brokenPromises(commands(honest, { deviceType: 3 }))).toEqual({})
  })
})

test('without a test runner it says which to pass', () => {
  const { describe: d } = globalThis as unknown as { describe: unknown }
  Object.assign(globalThis, { describe: undefined })
  try {
    expect(() => handlerConformance(ram())).toThrow(/node:test or vitest/)
  } finally {
    Object.assign(globalThis, { describe: d })
  }
})

test('a runner of one\'s own gets one test for each promise, and skips by name what does not apply', () => {
  const names: string[] = []
  const skipped: string[] = []
  const test = Object.assign((name: string) => void names.push(name), { skip: (name: string) => void skipped.push(name) })
  const runner: TestRunner = { describe: (_name, body) => body(), test }
  handlerConformance({ handler: { ...ramHandler } as Handler, config: '', geometry: { sizeBytes: MIB }, volatile: true }, runner)
  expect(names).toContain('reads back what was written, whatever pieces the data comes in')
  expect(skipped.find((s) => s.startsWith('has what was written'))).toMatch(/volatile/)
})
