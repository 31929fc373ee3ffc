import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { handlerMembers } from '@tcmu/host/handler'
import { fileIo, handlerConformance, initiatorOf, testDevice } from '@tcmu/host/testing'
import { inRepository } from '../lib/repository'
import { describeIf, requires } from '../lib/requires'
import chunks from './chunks'

/** The handler that docs/migrating-from-tcmu-runner.md moves, in C and here: each reads what the other wrote. */
const folder = mkdtempSync(join(tmpdir(), 'tcmu-chunks-'))
afterAll(() => rmSync(folder, { recursive: true }))
const fresh = (): string => mkdtempSync(join(folder, 'disk-'))
const MIB = 1 << 20

handlerConformance({ handler: chunks, config: fresh, geometry: { sizeBytes: 4 * MIB }, badConfigs: ['relative', ''] })

describeIf(requires.command('cc', 'gcc'), 'the same in C', () => {
  const driver = join(folder, 'driver')
  const inC = (config: string, what: 'read' | 'write', offset: number, data: Buffer): Buffer => {
    const { status, stdout, stderr } = spawnSync(driver, [`chunks/${config}`, what, String(offset), String(data.length)], { input: data })
    if (status !== 0) throw new Error(`${what} ended with ${status}: ${stderr.toString()}`)
    return stdout
  }
  const open = (config: string) => testDevice(chunks, { config, sizeBytes: 4 * MIB, io: fileIo() })
  const bytes = Buffer.from(Array.from({ length: 8192 }, (_, i) => (i * 31 + (i >> 8)) & 0xff))
  const OFFSET = MIB - 4096

  beforeAll(() => {
    const at = (name: string): string => inRepository('test/docs-examples/chunks', name)
    execFileSync('cc', ['-Wall', '-Wextra', '-Werror', '-o', driver, at('chunks.c'), at('driver.c')], { stdio: ['ignore', 'ignore', 'pipe'] })
  })

  test('what C wrote is read here, over the edge of two files', async () => {
    const config = fresh()
    inC(config, 'write', OFFSET, bytes)
    const device = await open(config)
    const { data } = await initiatorOf(device).read({ lba: OFFSET / 512, blocks: bytes.length / 512 })
    expect(data.equals(bytes)).toBe(true)
    await device.close(1000)
  })

  test('and the other way round', async () => {
    const config = fresh()
    const device = await open(config)
    await initiatorOf(device).write(OFFSET / 512, bytes)
    await device.close(1000)
    expect(inC(config, 'read', OFFSET, Buffer.alloc(bytes.length)).equals(bytes)).toBe(true)
  })

  test('both refuse a relative folder', () => {
    expect(() => inC('relative', 'read', 0, Buffer.alloc(1))).toThrow(/must be absolute/)
    expect(chunks.checkConfig!('relative', undefined)).toMatch(/must be absolute/)
  })
})

test('the page has every member of both shapes', () => {
  const page = readFileSync(inRepository('docs/migrating-from-tcmu-runner.md'), 'utf8')
  const members = Object.values(handlerMembers).flatMap((m) => Object.keys(m))
  expect(members.filter((m) => !page.includes(`\`${m}`))).toEqual([])
})
