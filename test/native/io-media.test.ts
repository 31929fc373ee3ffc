import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IoEngine } from '../../packages/host/src/io'
import { ioTable } from '../../packages/host/src/io/table'
import { Coalescing, IoOp, loadNative } from '../../packages/host/src/platform'
import { Status } from '../../packages/host/src/scsi/status'
import { Segments } from '../../packages/host/src/wire'
import { describeIf, type Lack, requires, testIf } from '../lib/requires'
import { backends, eachTest, settled } from './lib'

const MiB = 1 << 20
const root = process.getuid?.() === 0
const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

const folder = mkdtempSync(join(tmpdir(), 'tcmu-media-'))
const undo: (() => void)[] = [() => rmSync(folder, { recursive: true })]
afterAll(() => undo.reverse().forEach((u) => u()))

/** A file system in memory of `size` bytes; a reason when it cannot be had. */
function memoryFileSystem(name: string, size: number): { at: string; lack: Lack } {
  const at = join(folder, name)
  mkdirSync(at)
  if (!root) return { at, lack: 'needs root to mount a tmpfs' }
  if (!works('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at)) return { at, lack: 'needs to be allowed to mount a tmpfs' }
  undo.push(() => void spawnSync('umount', [at]))
  return { at, lack: undefined }
}

/** A loop device over a file of `size` bytes; a reason when it cannot be had. */
function loopDevice(size: number): { path: string; file: string; lack: Lack } {
  const file = join(folder, 'loop-backing')
  writeFileSync(file, '')
  spawnSync('truncate', ['-s', String(size), file])
  if (!root) return { path: '', file, lack: 'needs root to set up a loop device' }
  const made = spawnSync('losetup', ['--find', '--show', file], { encoding: 'utf8' })
  if (made.status !== 0) return { path: '', file, lack: 'needs loop devices (losetup --find --show failed)' }
  const path = made.stdout.trim()
  undo.push(() => void spawnSync('losetup', ['-d', path]))
  return { path, file, lack: undefined }
}

const filled = (length: number, value: number): Segments => Segments.of(new Uint8Array(length).fill(value))
const same = (data: Segments, value: number): boolean => data.compare(new Uint8Array(data.length).fill(value)) === -1

let engine: IoEngine
const take = (e: IoEngine): void => void (engine = e)

const tiny = memoryFileSystem('tiny', MiB)
for (const { by, lack } of backends) describeIf(requires.all(tiny.lack, lack), `a file system that is full, by ${by}`, () => {
  eachTest(by, take)

  test('ENOSPC names the file, and what was there stays', async () => {
    const path = join(tiny.at, `file-${by}`)
    const file = await engine.open(path, { create: true, size: 8 * MiB })
    await file.writev(filled(4096, 1), 0)
    const big = filled(2 * MiB, 2)
    await expect(file.writev(big, 4096)).rejects.toMatchObject({ code: 'ENOSPC', path, message: expect.stringContaining(`write '${path}'`) as string })
    expect(big.pins).toBe(0)
    const back = filled(4096, 9)
    await file.readv(back, 0)
    expect(same(back, 1)).toBe(true)
    expect(await file.punch(0, 8 * MiB)).toBe(Status.OK)
    await file.writev(filled(4096, 3), 4096)
    await file.close()
  })

  test('a file system without RWF_NOWAIT and zero range', async () => {
    const file = await engine.open(join(tiny.at, `other-${by}`), { create: true, size: 8 * MiB })
    await settled(Array.from({ length: 50 }, (_, i) => file.writev(filled(512, i), i * 512)))
    const back = Array.from({ length: 50 }, () => Segments.allocate(512))
    await settled(back.map((b, i) => file.readv(b, i * 512)))
    expect(back.every((b, i) => same(b, i))).toBe(true)
    expect(await file.zero(0, 4096, true)).toBe(Status.NOT_HANDLED)
    expect(file.rotational).toBeUndefined()
  })
})

const loop = loopDevice(16 * MiB)
for (const { by, lack } of backends) describeIf(requires.all(loop.lack, lack), `a block device, by ${by}`, () => {
  eachTest(by, take)

  test('its size, and I/O that lands in it', async () => {
    const file = await engine.open(loop.path)
    expect(file).toMatchObject({ blockDevice: true, size: 16 * MiB, readOnly: false })
    expect(file.granularity).toBeGreaterThanOrEqual(512)
    await file.writev(filled(10_000, 5), 4096 * 3 + 7)
    expect(await file.sync()).toBe(Status.OK)
    const back = Segments.allocate(10_000)
    await file.readv(back, 4096 * 3 + 7)
    expect(same(back, 5)).toBe(true)
    await expect(file.writev(filled(4096, 1), 16 * MiB)).rejects.toMatchObject({ code: 'ENOSPC' })
    const beyond = filled(1024, 1)
    await file.readv(beyond, 16 * MiB - 512)
    expect(same(beyond.slice(512), 0)).toBe(true)
    expect(await file.extents(0, MiB)).toEqual([{ offset: 0, length: MiB, state: 'mapped' }])
  })

  test('punched and zeroed ranges read as zeroes', async () => {
    const file = await engine.open(loop.path)
    await file.writev(filled(4 * MiB, 6), 0)
    await file.sync()
    const before = statSync(loop.file).blocks
    const done = await file.punch(MiB, MiB)
    expect([Status.OK, Status.NOT_HANDLED]).toContain(done)
    expect(await file.zero(2 * MiB, MiB, true)).toBe(Status.OK)
    const back = Segments.allocate(4 * MiB)
    await file.readv(back, 0)
    expect([same(back.slice(0, MiB), 6), same(back.slice(2 * MiB, MiB), 0), same(back.slice(3 * MiB), 6)]).toEqual([true, true, true])
    if (done === Status.OK) {
      expect(same(back.slice(MiB, MiB), 0)).toBe(true)
      expect(statSync(loop.file).blocks).toBeLessThan(before)
    }
  })

  test('direct I/O at depth 32, and buffered reads of what it wrote', async () => {
    const direct = await engine.open(loop.path, { direct: true })
    expect(direct.alignment).toBeGreaterThanOrEqual(512)
    const data = Array.from({ length: 32 }, (_, i) => filled(4096, i + 1))
    expect(new Set(await settled(data.map((d, i) => direct.writev(d, i * 8192, i % 4 === 0))))).toEqual(new Set([Status.OK]))
    data.forEach((d) => d.zero())
    await settled(data.map((d, i) => direct.readv(d, i * 8192)))
    expect(data.every((d, i) => same(d, i + 1))).toBe(true)
    await expect(direct.readv(filled(100, 0), 0)).rejects.toMatchObject({ code: 'EINVAL' })
    await direct.close()
    const buffered = await engine.open(loop.path, { readOnly: true })
    await settled(data.map((d, i) => buffered.readv(d, i * 8192)))
    expect(data.every((d, i) => same(d, i + 1))).toBe(true)
  })

  test('its node lies in memory, its data does not: what is not cached is waited for elsewhere', async () => {
    // What watches a machine's disks reads the beginning and the end of one that its writer closed, and has them cached then.
    const unprobed = 7 * MiB
    const writer = await engine.open(loop.path, { direct: true })
    await writer.writev(filled(MiB, 4), unprobed)
    await writer.close()
    const core = loadNative()
    const table = ioTable(1, 1)
    let ready: () => void = () => undefined
    const done = new Promise<void>((resolve) => (ready = resolve))
    const raw = new core.IoEngine(table, () => ready(), core.memory, Coalescing.NEVER, 1, by === 'uring', 0)
    const fd = openSync(loop.path, 'r')
    const bytes = new Uint8Array(4096)
    table.file[0] = raw.addFile(fd)
    table.area[0] = raw.addArea(bytes)
    table.op[0] = IoOp.READV
    table.offset[0] = unprobed
    table.iovCount[0] = 1
    table.iovLength[0] = bytes.length
    expect(raw.submit(1)).toBe(1)
    await done
    expect([table.doneResult[0], bytes.every((b) => b === 4)]).toEqual([0, true])
    raw.close()
    closeSync(fd)
  })

  test('it has one writer', async () => {
    const file = await engine.open(loop.path)
    await expect(engine.open(loop.path)).rejects.toMatchObject({ code: 'E_FILE_LOCKED', message: expect.stringContaining(loop.path) as string })
    await file.close()
    await (await engine.open(loop.path)).close()
  })

  testIf(requires.command('mkfs.ext4', 'e2fsprogs'), 'it is refused while it is mounted', async () => {
    execFileSync('mkfs.ext4', ['-q', loop.path])
    const at = join(folder, 'mounted')
    mkdirSync(at, { recursive: true })
    execFileSync('mount', [loop.path, at])
    try {
      await expect(engine.open(loop.path)).rejects.toMatchObject({ code: 'E_FILE_LOCKED' })
    } finally {
      execFileSync('umount', [at])
    }
    await (await engine.open(loop.path)).close()
  })
})
