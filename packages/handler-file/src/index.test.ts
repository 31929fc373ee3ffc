import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { DeviceInfo, DeviceProperties, IoFile, OpenFile } from '@tcmu/host/handler'
import handler from '.'
import { mayMake } from './check'
import { type FileOptions, placeOf } from './place'
import { alignmentError, missingError, sizeError } from './size'

const root = mkdtempSync(join(tmpdir(), 'tcmu-file-check-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const check = (path: string) => Promise.resolve(handler.checkConfig!(path, undefined))

describe('a configuration', () => {
  writeFileSync(join(root, 'disk'), 'x')
  mkdirSync(join(root, 'sub'))
  const cases: readonly (readonly [path: string, expected: true | RegExp])[] = [
    ['', /path is missing.*file\/\/srv/],
    ['var/lib/img', /must be absolute; write file\/\/var\/lib\/img/],
    ['/a\0b', /zero byte/],
    [join(root, 'disk'), true],
    [join(root, 'new'), true],
    [join(root, 'sub'), /\/sub is a directory; a LUN is kept in a regular file or on a block device/],
    ['/etc', /^\/etc is a directory/],
    ['/dev/null', /is a character device/],
    [join(root, 'none/disk'), /\/none\/disk: there is no folder .*\/none; make it, or correct the path/],
    [join(root, 'disk/below'), /a part of the path is no folder/],
    [`${join(root, 'new')}/`, /ends in a slash; name a file/],
    ['/dev/nothing-of-that-name', /is not there, and devices are not made/],
    [`/${'x'.repeat(300)}`, /cannot be looked at \(ENAMETOOLONG\)/],
  ]
  test.each(cases)('file/%s', async (path, expected) => {
    if (expected === true) expect(await check(path)).toBe(true)
    else expect(await check(path)).toMatch(expected)
  })

  test('a pipe and a socket are told apart, and nothing waits for them', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')])
    expect(await check(join(root, 'pipe'))).toMatch(/is a pipe/)
    const server = createServer().listen(join(root, 'socket'))
    await once(server, 'listening')
    expect(await check(join(root, 'socket'))).toMatch(/is a socket/)
    server.close()
  })

  test('it changes nothing', async () => {
    await check(join(root, 'new'))
    expect(existsSync(join(root, 'new'))).toBe(false)
  })

  test('what a user may not do is said', async () => {
    chmodSync(root, 0o755)
    for (const [name, mode] of [['closed', 0o700], ['unwritable', 0o755]] as const) mkdirSync(join(root, name), { mode })
    writeFileSync(join(root, 'secret'), '', { mode: 0o600 })
    if (process.getuid!() !== 0) {
      expect(await check(join(root, 'secret'))).toBe(true)
      return
    }
    // The code is loaded by who may read it, and asked as somebody who may nothing.
    const script = `
      const { transformFileSync } = require('@swc/core')
      const options = { swcrc: false, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
      require.extensions['.ts'] = (m, f) => m._compile(transformFileSync(f, options).code, f)
      const { checkPath } = require(process.argv[1])
      process.setgroups([]); process.setgid(65534); process.setuid(65534)
      Promise.all(process.argv.slice(2).map((p) => checkPath(p))).then((v) => console.log(JSON.stringify(v)))`
    const args = ['closed/disk', 'unwritable/disk', 'secret'].map((n) => join(root, n))
    const said = JSON.parse(execFileSync(process.execPath, ['-e', script, join(__dirname, 'check.ts'), ...args], { encoding: 'utf8', cwd: __dirname })) as string[]
    expect(said[0]).toMatch(/may not look into its folder/)
    expect(said[1]).toMatch(/this user may not make it in .*\/unwritable/)
    expect(said[2]).toMatch(/cannot be read by this user/)
  })

  test('any text is either a path or refused with a sentence', async () => {
    await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), async (text) => {
      const verdict = await check(text)
      return verdict === true ? text.startsWith('/') && !text.includes('\0') : typeof verdict === 'string' && verdict.length > 10
    }))
  })
})

describe('sizes', () => {
  test.each([
    [{ size: 4096, blockDevice: false }, 4096, undefined],
    [{ size: 4096, blockDevice: false }, 0, undefined],
    [{ size: 8192, blockDevice: true }, 4096, undefined],
    [{ size: 0, blockDevice: false }, 0, /\/f is empty, and no size is given for disk0/],
    [{ size: 4096, blockDevice: false }, 8192, /has 4096 bytes, and disk0 is to have 8192; give the LUN size=4096, or .*truncate -s 8192 '\/f'/],
    [{ size: 8192, blockDevice: false }, 4096, /has 8192 bytes, and disk0 is to have 4096; .* never cut off/],
    [{ size: 4096, blockDevice: true }, 8192, /give the LUN size=4096 or less/],
  ])('%j for a device of %d', (file, sizeBytes, expected) => {
    const error = sizeError({ path: '/f', ...file }, sizeBytes, 'disk0')
    if (!expected) expect(error).toBeUndefined()
    else expect(error).toMatchObject({ code: 'E_FILE_SIZE', message: expect.stringMatching(expected) as string })
  })
})

interface Opened { properties: DeviceProperties; asked: (OpenFile | undefined)[]; lines: string[]; size: number | undefined; closed: number }

/** Open the handler over a file as described; `refuse` is the errno of every opening for writing. */
async function open(file: Partial<IoFile>, device: Partial<DeviceInfo<FileOptions>> = {}, refuse?: string): Promise<Opened> {
  const o: Opened = { properties: {}, asked: [], lines: [], size: undefined, closed: 0 }
  const log = (m: string): void => void o.lines.push(m)
  await handler.open({
    name: 'disk0', subtype: 'file', config: '/f', options: undefined, sizeBytes: 1 << 20, blockSize: 512, thick: false, reopen: false,
    log: { error: log, warn: log, info: log, debug: log },
    io: {
      open: async (path, options) => {
        o.asked.push(options)
        if (refuse && !options?.readOnly) throw Object.assign(new Error(`${refuse}: refused`), { code: refuse })
        return {
          path, size: 1 << 20, readOnly: options?.readOnly === true, blockDevice: false, granularity: 4096, alignment: 1, canPunch: true, rotational: undefined,
          close: async () => void o.closed++, ...file,
        } as IoFile
      },
    },
    kept: undefined, keep: () => undefined, mediumChanged: () => undefined, declare: (p) => Object.assign(o.properties, p),
    resized: (n) => (o.size = n),
    report: () => undefined,
    ...device,
  })
  return o
}

test('what the device says of itself comes from the file', async () => {
  expect((await open({})).properties).toEqual({ sanitize: true, unmappedReadsZero: true, unmapGranularityBlocks: 8 })
  expect((await open({ rotational: false, canPunch: false, granularity: 512 }, { blockSize: 4096 })).properties)
    .toEqual({ sanitize: true, solidState: true, unmappedReadsZero: false, lacking: ['unmap'], unmapGranularityBlocks: 1 })
  expect((await open({ blockDevice: true, granularity: 4096 })).properties).toEqual({ sanitize: true, unmappedReadsZero: true, unmapGranularityBlocks: 8, physicalExponent: 3 })
  expect((await open({ blockDevice: true, rotational: true, granularity: 1 << 20 })).properties)
    .toEqual({ sanitize: true, solidState: false, unmappedReadsZero: true, unmapGranularityBlocks: 2048, physicalExponent: 3 })
})

describe('direct I/O', () => {
  test.each<[string, FileOptions | undefined, string, boolean]>([
    ['/srv/a', undefined, '/srv/a', false], ['/srv/a', { direct: true }, '/srv/a', true], ['/srv/a', { direct: false }, '/srv/a', false],
    ['direct:/srv/a', undefined, '/srv/a', true], ['/direct:/a', undefined, '/direct:/a', false], ['direct:', undefined, '', true],
  ])('%s, %j', (config, options, path, direct) => expect(placeOf(config, options)).toEqual({ path, direct }))

  test('is asked of the file, and its block is the physical one', async () => {
    const o = await open({ alignment: 512 }, { config: 'direct:/f' })
    expect(o.asked).toEqual([{ create: true, size: 1 << 20, direct: true }])
    expect(o.properties.physicalExponent).toBe(3)
    expect((await open({ alignment: 512 }, { options: { direct: true } }, 'EROFS')).asked[1]).toEqual({ readOnly: true, direct: true })
  })

  test('not with blocks that are parts of what the medium moves', async () => {
    let closed = 0
    await expect(open({ alignment: 4096, close: async () => void closed++ }, { config: 'direct:/f' })).rejects.toMatchObject({
      code: 'E_FILE_DIRECT', message: 'E_FILE_DIRECT: /f moves 4096 bytes at a time in direct I/O, and disk0 has blocks of 512; give the LUN blocks of 4096, or leave `direct` out',
    })
    expect(closed).toBe(1)
    expect(alignmentError({ path: '/f', alignment: 512 }, 4096, 'disk0')).toBeUndefined()
  })
})

test('a device without a size takes the file\'s, and makes none', async () => {
  const o = await open({ size: 12_288 }, { sizeBytes: 0 })
  expect([o.size, o.asked[0]?.create]).toEqual([12_288, false])
  expect((await open({ size: 10_000, blockDevice: true }, { sizeBytes: 0 })).size).toBe(9728)
})

test.each(['EACCES', 'EPERM', 'EROFS'])('%s on opening for writing makes a read-only device, said in the log', async (code) => {
  const o = await open({}, {}, code)
  expect(o.properties.readOnly).toBe(true)
  expect(o.asked).toEqual([{ create: true, size: 1 << 20 }, { readOnly: true }])
  expect(o.lines).toEqual([`/f cannot be written (${code}: refused): disk0 is read-only`])
})

test('any other refusal is the refusal; a file of the wrong size is closed again', async () => {
  await expect(open({}, {}, 'EIO')).rejects.toMatchObject({ code: 'EIO' })
  let closed = 0
  await expect(open({ size: 5, close: async () => void closed++ })).rejects.toMatchObject({ code: 'E_FILE_SIZE' })
  expect(closed).toBe(1)
})

test('a missing device is not made as a file', () => {
  expect(['/srv/a', '/dev/shm/a', '/devices/a'].map(mayMake)).toEqual([true, true, true])
  expect(['/dev/sdz', '/dev/vg0/a', '//dev//sdz'].map(mayMake)).toEqual([false, false, false])
  expect(missingError('/dev/sdz', 'disk0').message).toMatch(/^E_FILE_MISSING: \/dev\/sdz is not there, and devices are not made/)
  expect(missingError('/srv/a', 'disk0').message).toMatch(/give the LUN a size/)
})
