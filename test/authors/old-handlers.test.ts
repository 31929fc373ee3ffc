import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cdb } from '../../packages/host/src/testing/cdb'
import { handlerApiChanges } from '../../packages/host/src/handler/version'
import { Initiator, samStatus } from '../lib/initiator'
import { senseOf } from '../lib/initiator/sense'
import { filesBelow, inRepository } from '../lib/repository'
import { type Child, Sandbox } from '../plugins/cli'

/** Packages built for former versions of the handler API: as they were, and as good as they were. */
const old = 'test/fixtures/old-handlers'
const box = new Sandbox(mkdtempSync(join(tmpdir(), 'tcmu-old-')))
afterAll(async () => {
  await box.close()
  rmSync(box.folder, { recursive: true })
})
const digestOf = (file: string): string => createHash('sha256').update(readFileSync(inRepository(file))).digest('hex')
const versions = readdirSync(inRepository(old), { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name)
const packages = versions.flatMap((v) => readdirSync(inRepository(old, v)).map((shape) => [v, shape, inRepository(old, v, shape)] as const))

test('nobody has edited them: a new version of the API gets a folder of its own', () => {
  const files = filesBelow(old, () => true).filter((f) => !/^(README\.md|SHA256SUMS)$/.test(f.slice(old.length + 1)))
  const now = files.map((f) => `${digestOf(f)}  ${f.slice(old.length + 1)}`).sort()
  expect(now).toEqual(readFileSync(inRepository(old, 'SHA256SUMS'), 'utf8').trim().split('\n').sort())
  expect(files.length).toBeGreaterThan(4)
})

test('the first version is there in both shapes', () => {
  expect(handlerApiChanges.at(-1)![0]).toBe('1.0.0')
  expect(packages.filter(([v]) => v === '1.0').map(([, shape]) => shape)).toEqual(['blocks', 'commands'])
})

interface Result { readonly promise: string; readonly outcome: string; readonly reason?: string }

test.each(packages)('%s %s keeps every promise of the kit', async (_version, shape, folder) => {
  const { code, stdout, stderr } = await box.run('test', folder, '--json', '--config', box.config, ...(shape === 'blocks' ? ['--refuses', 'relative'] : []))
  const results = JSON.parse(stdout || stderr) as Result[]
  expect(results.filter((r) => r.outcome === 'broken')).toEqual([])
  expect(results.filter((r) => r.outcome === 'kept').length).toBeGreaterThan(shape === 'blocks' ? 18 : 4)
  expect(code).toBe(0)
})

/** Served by the portal, the handler in a process of its own as is the default for packages of others, or in the host. */
async function served(placement: string, use: (session: Initiator, host: Child) => Promise<void>): Promise<void> {
  const luns = [`name=blocks,size=4M,cfgstring=old_blocks/${join(box.folder, `disk-${placement}`)}`, 'name=commands,cfgstring=old_commands/hello']
  const host = box.start([
    'serve', '--frontend', 'iscsi', '--portal', '127.0.0.1:0', '--handler-path', inRepository(old, '1.0'), ...luns.flatMap((l) => ['--lun', l]),
    '--placement', `old_blocks=${placement}`, '--placement', `old_commands=${placement}`, '--socket', join(box.folder, `${placement}.sock`),
  ])
  const [, port, target] = await host.until(/^ready iscsi:\/\/127\.0\.0\.1:(\d+)\/([^/]+)\/0/)
  const session = await Initiator.open(Number(port), { name: 'iqn.2026-11.test:old', target: target! })
  try {
    for (const lun of [0, 1]) await session.command({ cdb: cdb.testUnitReady(), lun })
    await use(session, host)
    await session.logout()
    expect((await host.end()).code).toBe(0)
  } finally {
    session.destroy()
  }
}

const PATTERN = Buffer.alloc(8 * 512, 0x5a)
/** SPC-4 6.45 and 6.15: WRITE BUFFER and READ BUFFER of `length` bytes, in a mode. */
const buffer = (op: number, mode: number, length: number): Uint8Array => Uint8Array.of(op, mode, 0, 0, 0, 0, 0, length >> 8, length & 0xff, 0)
const [WRITE_BUFFER, READ_BUFFER] = [0x3b, 0x3c]

test.each(['inline', 'process'])('they are served, %s', async (placement) => {
  await served(placement, async (session) => {
    expect((await session.command({ cdb: cdb.write10({ lba: 16, blocks: 8 }), out: PATTERN })).status).toBe(samStatus.good)
    expect((await session.command({ cdb: cdb.read10({ lba: 16, blocks: 8 }), in: PATTERN.length })).data).toEqual(PATTERN)
    expect((await session.command({ cdb: cdb.synchronizeCache10() })).status).toBe(samStatus.good)
    expect(readFileSync(join(box.folder, `disk-${placement}`)).subarray(16 * 512, 24 * 512)).toEqual(PATTERN)

    const read = await session.command({ cdb: buffer(READ_BUFFER, 2, 5), lun: 1, in: 5 })
    expect(read.data.toString()).toBe('hello')
    expect((await session.command({ cdb: buffer(WRITE_BUFFER, 2, 3), lun: 1, out: Buffer.from('Hey') })).status).toBe(samStatus.good)
    expect((await session.command({ cdb: buffer(READ_BUFFER, 2, 5), lun: 1, in: 5 })).data.toString()).toBe('Heylo')
    const refused = [
      await session.command({ cdb: buffer(WRITE_BUFFER, 2, 2), lun: 1, out: Buffer.of(1, 0xff) }),
      await session.command({ cdb: buffer(READ_BUFFER, 5, 5), lun: 1, in: 5 }),
      await session.command({ cdb: Uint8Array.of(0xc0, 0, 0, 0, 0, 0), lun: 1 }),
    ]
    expect(refused.map(senseOf)).toEqual(['5/2600', '5/2400', '5/2000'])
  })
})
