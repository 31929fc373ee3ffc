import { existsSync, linkSync, lstatSync, mkdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { Segments } from '../../packages/host/src/wire'
import { describeBackends, eachTest, temporaryFolder } from './lib'

const folder = temporaryFolder()
let engine: IoEngine
const take = (e: IoEngine): void => void (engine = e)

let counter = 0
const fresh = (): string => join(folder, `file-${counter++}`)
const filled = (length: number, value: number): Segments => Segments.of(new Uint8Array(length).fill(value))

describeBackends('opening', (by) => {
  eachTest(by, take)

  test('a new file is sparse, private, of the size asked for; an old one is not touched', async () => {
    const path = fresh()
    const file = await engine.open(path, { create: true, size: 1 << 30 })
    const s = statSync(path)
    expect([s.size, s.blocks, s.mode & 0o777]).toEqual([1 << 30, 0, 0o600])
    await file.writev(filled(512, 3), 0)
    await file.close()
    const again = await engine.open(path, { create: true, size: 5 })
    expect(again.size).toBe(1 << 30)
    const back = Segments.allocate(512)
    await again.readv(back, 0)
    expect(back.compare(new Uint8Array(512).fill(3))).toBe(-1)
  })

  test('a size that cannot be leaves no file behind', async () => {
    const path = fresh()
    await expect(engine.open(path, { create: true, size: 2 ** 62 })).rejects.toMatchObject({ path, message: expect.stringContaining(path) as string })
    expect(existsSync(path)).toBe(false)
  })

  test('paths that cannot name a file', async () => {
    const server = createServer().listen(join(folder, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    mkdirSync(join(folder, 'directory'), { recursive: true })
    if (!lstatSync(join(folder, 'dangling'), { throwIfNoEntry: false })) symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
    writeFileSync(join(folder, 'plain'), '')
    const cases: [string, RegExp][] = [
      ['', /^E_FILE_PATH: .*empty/],
      ['relative/path', /^E_FILE_PATH: relative\/path .*not absolute/],
      ['/a\0b', /^E_FILE_PATH: .*zero byte/],
      [join(folder, 'directory'), /^E_FILE_KIND: .*directory is a directory/],
      [join(folder, 'socket'), /^E_FILE_KIND: .*a socket/],
      ['/dev/null', /^E_FILE_KIND: \/dev\/null is a character device/],
      [join(folder, 'none/file'), /^E_FILE_FOLDER: .*there is no folder .*none/],
      [join(folder, 'plain/file'), /^E_FILE_FOLDER/],
      [join(folder, 'new/'), /^E_FILE_KIND|^ENOENT|^E_FILE_FOLDER/],
      [join(folder, 'dangling'), /dangling/],
    ]
    for (const [path, message] of cases) await expect(engine.open(path, { create: true, size: 1 })).rejects.toThrow(message)
    server.close()
  })

  test('a missing file is only made when asked for', async () => {
    const path = fresh()
    await expect(engine.open(path)).rejects.toMatchObject({ code: 'ENOENT', message: expect.stringContaining(path) as string })
    await expect(engine.open(path, { create: true, readOnly: true })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a file whose lock goes away within a moment is opened', async () => {
    const path = fresh()
    const writer = await engine.open(path, { create: true, size: 4096 })
    const other = createIoEngine({ engine: by })
    const opened = other.open(path)
    await new Promise((resolve) => setTimeout(resolve, 200))
    await writer.close()
    await (await opened).close()
    await other.close()
  })

  test('a file has one writer or several readers', async () => {
    const path = fresh()
    writeFileSync(path, 'abc')
    linkSync(path, `${path}-other-name`)
    const writer = await engine.open(path)
    const refused = { code: 'E_FILE_LOCKED', message: expect.stringContaining(path) as string }
    await expect(engine.open(path)).rejects.toMatchObject(refused)
    await expect(engine.open(path, { readOnly: true })).rejects.toMatchObject(refused)
    await expect(engine.open(`${path}-other-name`)).rejects.toMatchObject({ code: 'E_FILE_LOCKED' })
    const other = createIoEngine({ engine: by })
    await expect(other.open(path)).rejects.toMatchObject(refused)
    await (await engine.open(path, { lock: false })).close()
    await writer.close()
    const readers = await Promise.all([engine.open(path, { readOnly: true }), other.open(path, { readOnly: true })])
    await expect(engine.open(path)).rejects.toMatchObject(refused)
    await Promise.all(readers.map((r) => r.close()))
    await (await engine.open(path)).close()
    await other.close()
    unlinkSync(`${path}-other-name`)
  })
})
