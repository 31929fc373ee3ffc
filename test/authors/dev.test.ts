import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cdb } from '../../packages/host/src/testing/cdb'
import { unmapList } from '../../packages/host/src/testing/parameter-lists'
import { type Answer, Initiator, samStatus } from '../lib/initiator'
import { senseOf, senses } from '../lib/initiator/sense'
import { inRepository } from '../lib/repository'
import { pause, until } from '../lib/run'
import { type Child, Sandbox } from '../plugins/cli'

/**
 * An author at work: `tcmu-host dev` serves the package, an initiator stays connected, and files of the package change under
 * it, well and badly. One session from the beginning to the end of each test.
 */
const BLOCK = 512
const box = new Sandbox(mkdtempSync(join(tmpdir(), 'tcmu-dev-')))
let folder: string
let host: Child
let session: Initiator
let url: string
const at = (name: string): string => join(folder, name)

beforeEach(() => {
  folder = mkdtempSync(join(box.folder, 'package-'))
  copyFileSync(inRepository('test/docs-examples/ram/package.json'), at('package.json'))
  save(handler())
})
afterEach(() => session?.destroy())
afterAll(async () => {
  await box.close()
  rmSync(box.folder, { recursive: true })
})

/** A RAM disk; `more` is put into its definition. */
const handler = ({ fill = 0, open = '', more = '' } = {}): string => `
import { defineHandler, Status } from '@tcmu/host/handler'
import { existsSync } from 'node:fs'
export default defineHandler({
  subtype: 'ram',
  open(dev) {
    ${open}
    return Buffer.alloc(dev.sizeBytes, ${fill})
  },
  read: (m, io) => void io.data.set(m.subarray(io.offset, io.offset + io.length)),
  write: (m, io) => void io.data.copyTo(m, io.offset),
  ${more}
})
`
const save = (text: string): void => writeFileSync(at('index.js'), text)

function start(...args: readonly string[]): void {
  host = box.start(['dev', '.', '--lun', 'name=d0,size=1M,cfgstring=ram/', ...args], { cwd: folder })
}
async function connect(): Promise<void> {
  const [, found] = await host.until(/^ready (\S+)/)
  url = found!
  const [, port, target] = /:(\d+)\/([^/]+)\/0$/.exec(url)!
  session = await Initiator.open(Number(port), { name: 'iqn.2026-11.test:author', target: target! })
  expect(senseOf(await ready())).toBe(senses.powerOn)
}
const ready = (): Promise<Answer> => session.command({ cdb: cdb.testUnitReady() })
const read = (lba = 0): Promise<Answer> => session.command({ cdb: cdb.read10({ lba, blocks: 1 }), in: BLOCK })
const write = (byte: number, lba = 0): Promise<Answer> => session.command({ cdb: cdb.write10({ lba, blocks: 1 }), out: Buffer.alloc(BLOCK, byte) })
const reads = async (byte: number): Promise<void> => expect((await read()).data).toEqual(Buffer.alloc(BLOCK, byte))
const seen = (pattern: RegExp): Promise<unknown> => host.until(pattern, 'stderr')
/** Wait for the line of this change, then take the attention that tells of it. */
async function takenOver(pattern: RegExp): Promise<void> {
  await seen(pattern)
  expect(senseOf(await ready())).toBe(senses.powerOn)
}
const ends = async (): Promise<void> => {
  expect(session.gone).toBe(false)
  expect(await host.end()).toMatchObject({ code: 0 })
}

test('new code takes over under a session; what it can do more, the device can', async () => {
  start()
  await connect()
  expect((await write(1)).status).toBe(samStatus.good)
  const unmap = (): Promise<Answer> => session.command({ cdb: cdb.unmap({ listLength: 24 }), out: Buffer.from(unmapList([{ lba: 0, blocks: 1 }])) })
  expect(senseOf(await unmap())).toBe(senses.invalidOpcode)
  save(handler({ fill: 7, more: 'unmap: (m, r) => void m.fill(9, r.offset, r.offset + r.length),' }))
  await takenOver(/index\.js changed: d0 runs the new code after \d+ ms/)
  await reads(7)
  expect((await unmap()).status).toBe(samStatus.good)
  await reads(9)
  await ends()
})

test('commands under way while the code changes: every one is answered, none is lost', async () => {
  start('--trace', 'errors')
  await connect()
  let over = false
  const answers = new Map<string, number>()
  const lane = async (): Promise<void> => {
    while (!over) {
      const answer = await write(3, Math.floor(Math.random() * 2000))
      const what = answer.status === samStatus.check ? senseOf(answer) : String(answer.status)
      answers.set(what, (answers.get(what) ?? 0) + 1)
      if (answer.status === samStatus.busy) await pause(20)
    }
  }
  const lanes = Array.from({ length: 8 }, lane)
  for (let round = 1; round <= 3; round++) {
    save(handler({ fill: round }))
    await until(() => host.stderr.split('runs the new code').length > round, `round ${round}`, 20_000)
  }
  over = true
  await Promise.all(lanes)
  expect([...answers.keys()].filter((k) => k !== '0' && k !== senses.powerOn && k !== String(samStatus.busy))).toEqual([])
  expect(answers.get('0')).toBeGreaterThan(10)
  await ends()
})

test('code that cannot be read: where, and the code of before goes on', async () => {
  start()
  await connect()
  await write(5)
  save(handler().replace("subtype: 'ram',", "subtype: 'ram'"))
  await seen(/index\.js changed: the package does not load: .*Unexpected identifier.* \(index\.js:6: open\(dev\) \{\); the code of before goes on/)
  await reads(5)
  save(handler({ fill: 6 }))
  await takenOver(/index\.js changed: d0 runs the new code/)
  await reads(6)
  await ends()
})

test('a half-written file, an editor that renames, a file of its own that is missing for a while', async () => {
  start()
  await connect()
  const text = handler({ fill: 4, more: "summary: 'so long that it is written in two pieces'," })
  save(text.slice(0, text.length / 2))
  await pause(120)
  appendFileSync(at('index.js'), text.slice(text.length / 2))
  await takenOver(/runs the new code/)
  await reads(4)

  writeFileSync(at('index.js.tmp'), handler({ fill: 5 }))
  renameSync(at('index.js.tmp'), at('index.js'))
  await until(() => host.stderr.split('runs the new code').length === 3, 'the renamed file')
  expect(senseOf(await ready())).toBe(senses.powerOn)
  await reads(5)

  save(`import './part.js'\n${handler({ fill: 6 })}`)
  await seen(/does not load: .*Cannot find module '.*part\.js'/)
  await reads(5)
  writeFileSync(at('part.js'), 'export {}\n')
  await takenOver(/part\.js changed: d0 runs the new code/)
  await reads(6)
  await ends()
})

test('a device that does not open: which line, and the code of before goes on; when that does not open either, BUSY until it is mended', async () => {
  writeFileSync(at('medium'), '')
  const needs = `if (!existsSync(${JSON.stringify(at('medium'))})) throw new Error('there is no medium')`
  save(handler({ fill: 1, open: needs }))
  start()
  await connect()
  await reads(1)
  save(handler({ open: "throw new Error('not today')" }))
  await seen(/index\.js changed: the package does not open: not today \(index\.js:7\)/)
  await takenOver(/d0 goes on with the code of before/)
  await reads(1)

  rmSync(at('medium'))
  save(handler({ open: "throw new Error('still not')" }))
  await seen(/the code of before does not open either: there is no medium; initiators are told BUSY until the package is mended/)
  expect((await ready()).status).toBe(samStatus.busy)
  expect((await write(1)).status).toBe(samStatus.busy)
  save(handler({ fill: 2 }))
  await takenOver(/index\.js changed: d0 runs the new code/)
  await reads(2)
  await ends()
})

test('a handler that ends its process again and again is left alone, and served again when it is mended', async () => {
  start()
  await connect()
  save(handler({ more: 'flush: () => process.exit(7),' }))
  await takenOver(/runs the new code/)
  const flushed = session.command({ cdb: cdb.synchronizeCache10() })
  await seen(/ram is parked: it ended 6 times, last because it ended with 7/)
  expect((await flushed).status).toBe(samStatus.check)
  save(handler({ fill: 8 }))
  await until(() => host.stderr.split('runs the new code').length === 3, 'the mended code', 20_000)
  expect(senseOf(await ready())).toBe(senses.powerOn)
  await reads(8)
  await ends()
})

test('code that stands still, and code whose open never ends: what is saved next is served all the same', async () => {
  save(handler({ more: 'flush: () => { for (;;); },' }))
  start()
  await connect()
  const flushed = session.command({ cdb: cdb.synchronizeCache10() })
  await pause(200)
  save(handler({ open: 'return new Promise(() => {})' }))
  await seen(/the code of before does not let go of its commands; its process is ended/)
  expect((await flushed).status).not.toBe(samStatus.good)
  await until(async () => (await ready()).status === samStatus.busy, 'BUSY', 20_000)
  save(handler({ fill: 9 }))
  await takenOver(/index\.js changed: d0 runs the new code/)
  await reads(9)
  await ends()
})

test('a package.json that says something else', async () => {
  start()
  await connect()
  const before = readFileSync(at('package.json'), 'utf8')
  writeFileSync(at('package.json'), before.replace('"subtype": "ram"', '"subtype": "rum"'))
  await seen(/package\.json changed: the package does not load: .*no handler ram; this host has rum.*; the code of before goes on/)
  writeFileSync(at('package.json'), before.slice(0, 20))
  await seen(/package\.json changed: the package does not load: .*E_HANDLER_PACKAGE_JSON/)
  await reads(0)
  writeFileSync(at('package.json'), before)
  await takenOver(/package\.json changed: d0 runs the new code/)
  await ends()
})

test('code that is broken from the start is waited for', async () => {
  save('export default {')
  start()
  await seen(/start: the package does not load: .*\(index\.js:1: export default \{\); nothing is served until it is mended/)
  expect(host.stdout).toBe('')
  save(handler({ open: "throw new Error('no')" }))
  await seen(/index\.js changed: the package does not open: no \(index\.js:7\); nothing is served until it is mended/)
  save(handler({ fill: 3 }))
  await connect()
  await reads(3)
  await ends()
})

test('the trace is in plain words, and can be switched off; what the handler prints is shown', async () => {
  save(handler({ open: "console.log('hello from open')" }))
  start()
  await connect()
  await write(1, 8)
  await read(5000)
  await seen(/SCSI {2}d0 WRITE\(10\) lba 8, 1 block \(512 B\): GOOD, \d+ µs/)
  await seen(/SCSI {2}d0 READ\(10\) lba 5000, 1 block \(512 B\): CHECK CONDITION, ILLEGAL REQUEST, 21\/00 \(logical block address out of range\), \d+ µs/)
  await seen(/ram says: hello from open/)
  await ends()
  session.destroy()
  start('--trace', 'off')
  await connect()
  await read(5000)
  await ends()
  expect(host.stderr).not.toContain('SCSI')
})

test('without --lun there is one of 64 MiB', async () => {
  host = box.start(['dev', folder])
  await connect()
  const { data } = await session.command({ cdb: cdb.readCapacity16(), in: 32 })
  expect(data.readBigUInt64BE(0)).toBe(131_071n)
  await ends()
})

test.each([
  [['dev', '/nowhere'], 2, /folder: wanted a handler package, found \/nowhere, which has no package\.json/],
  [['dev', '.', '--portal', '0.0.0.0:3260'], 2, /--portal: wanted an address of this machine alone/],
  [['dev', '.', '--lun', 'name=x,size=1M,cfgstring=rom/'], 1, /no handler rom; this host has ram/],
  [['dev', '.', '--lun', 'name=x'], 2, /E_LUN_TEXT/],
  [['dev', '.', '--trace', 'some'], 2, /Allowed choices are all, errors, off/],
  [['dev'], 2, /missing required argument 'folder'/],
] as const)('%j is called wrongly', async (args, code, says) => {
  const ended = await box.start(args, { cwd: folder }).ended
  expect(ended).toMatchObject({ code, stdout: '' })
  expect(ended.stderr).toMatch(says)
})
