import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { library } from '../../packages/handler-rbd/src/library'
import { openSession, type Session } from '../../packages/handler-rbd/src/session'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import type { IoImage } from '../../packages/host/src/handler/types'
import type { Result } from '../../packages/host/src/scsi'
import { Status } from '../../packages/host/src/scsi/status'
import { DataArea, Segments } from '../../packages/host/src/wire'
import { describeIf } from '../lib/requires'
import { runOk } from '../lib/run'
import { ceph, cluster } from './ceph'

const BLOCK = 4096
const MiB = 2 ** 20

/** One block of memory, in two pieces as a ring's often is. */
function block(area: DataArea, n: number): Segments {
  const s = new Segments().start(area)
  s.add(n * BLOCK, 1024)
  s.add(n * BLOCK + 1024, BLOCK - 1024)
  return s
}

/** `n` transfers begun in one turn, and what they gave. */
const together = (n: number, begin: (n: number) => Result): Promise<Status[]> => Promise.all(Array.from({ length: n }, async (_, i) => begin(i)))

describeIf(ceph(), 'transfers of one batch that follow each other on an image', () => {
  const made = cluster()
  let engine: IoEngine
  let session: Session
  let image: IoImage
  const failed: number[] = []

  beforeAll(() => void (engine = createIoEngine()))
  afterAll(() => engine.close())
  async function open(name: string, settings = ''): Promise<void> {
    const given = (await made.it.image(name, '16M')).split('conf=')[1]!
    const conf = join(made.it.folder, `${name}.conf`)
    writeFileSync(conf, readFileSync(given, 'utf8').replace('[client]', `[client]\n${settings}`))
    session = await openSession(library(), { pool: 'rbd', namespace: '', image: name, snapshot: '', osdOpTimeout: undefined, conf, id: '', unknown: [] }, false, () => undefined)
    image = engine.image!(library(), session.native, name, (errno) => (failed.push(errno), Status.RD_ERR))
  }
  afterEach(async () => {
    failed.length = 0
    await image.close()
    await session.native.close()
  })

  /** Operations that the OSD has been asked for. */
  async function asked(kind: 'op_r' | 'op_w'): Promise<number> {
    const dump = await runOk('ceph', ['-c', made.it.conf, '--admin-daemon', `${made.it.folder}/osd.0.asok`, 'perf', 'dump'])
    return (JSON.parse(dump.stdout) as { osd: Record<string, number> }).osd[kind]!
  }
  const stored = async (name: string): Promise<Buffer> => {
    const file = `${made.it.folder}/${name}.raw`
    await made.it.rbd('export', '--no-progress', `rbd/${name}`, file)
    const bytes = readFileSync(file)
    rmSync(file)
    return bytes
  }

  test('are one operation of the cluster, and each has its own bytes', async () => {
    await open('run')
    const area = DataArea.allocate(64 * BLOCK)
    for (let n = 0; n < 64; n++) area.bytes.fill(n + 1, n * BLOCK, (n + 1) * BLOCK)
    // Objects are there: what is asked for from now on is data alone.
    await image.writev(Segments.of(new Uint8Array(MiB)), 0)
    const before = await asked('op_w')
    expect(new Set(await together(64, (n) => image.writev(block(area, n), n * BLOCK)))).toEqual(new Set([Status.OK]))
    expect((await asked('op_w')) - before).toBeLessThan(16)
    expect((await stored('run')).subarray(0, 64 * BLOCK).equals(Buffer.from(area.bytes))).toBe(true)

    const into = DataArea.allocate(64 * BLOCK)
    const beforeReads = await asked('op_r')
    expect(new Set(await together(64, (n) => image.readv(block(into, n), n * BLOCK)))).toEqual(new Set([Status.OK]))
    expect((await asked('op_r')) - beforeReads).toBeLessThan(16)
    expect(Buffer.from(into.bytes).equals(Buffer.from(area.bytes))).toBe(true)
  })

  test('that do not quite follow each other, or are of another kind or image, are not mixed up', async () => {
    await open('mixed')
    const area = DataArea.allocate(8 * BLOCK)
    for (let n = 0; n < 8; n++) area.bytes.fill(n + 1, n * BLOCK, (n + 1) * BLOCK)
    const into = DataArea.allocate(BLOCK)
    await image.writev(Segments.of(new Uint8Array(MiB).fill(0xee)), 0)
    const places = [0, 1, 3, 2, 5, 4, 100, 101]
    const answers = await together(9, (i) => {
      const n = i > 4 ? i - 1 : i
      return i === 4 ? image.readv(block(into, 0), 50 * BLOCK) : image.writev(block(area, n), places[n]! * BLOCK)
    })
    expect(new Set(answers)).toEqual(new Set([Status.OK]))
    const bytes = await stored('mixed')
    expect(places.map((at) => bytes[at * BLOCK])).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect([into.bytes[0], into.bytes[BLOCK - 1], bytes[6 * BLOCK], bytes[99 * BLOCK], bytes[102 * BLOCK]]).toEqual([0xee, 0xee, 0xee, 0xee, 0xee])
  })

  test('a run over the end of the image fails where the image ends, and not before', async () => {
    await open('cut')
    await image.writev(Segments.of(new Uint8Array(MiB).fill(7)), 0)
    await made.it.rbd('resize', '--size', '1M', '--allow-shrink', 'rbd/cut')
    const last = MiB / BLOCK
    const into = DataArea.allocate(8 * BLOCK)
    const answers = (): Promise<Status[]> => together(8, (n) => image.readv(block(into, n), (last - 4 + n) * BLOCK))
    // The library hears of the new size a moment later.
    let got = await answers()
    for (let i = 0; i < 100 && got[7] === Status.OK; i++) got = await answers()
    expect(got).toEqual([...Array<Status>(4).fill(Status.OK), ...Array<Status>(4).fill(Status.RD_ERR)])
    expect([into.bytes[0], into.bytes[4 * BLOCK - 1]]).toEqual([7, 7])
  })

  test('a run that the cluster refuses is refused for each of them', async () => {
    await open('shut')
    const [address] = await session.native.call('address')
    await made.it.ceph('osd', 'blocklist', 'add', address!.replace(/^\[?(v2:)?/, '').replace(/\]?$/, ''))
    const area = DataArea.allocate(8 * BLOCK)
    const write = (): Promise<Status[]> => together(8, (n) => image.writev(block(area, n), n * BLOCK))
    let got = await write()
    for (let i = 0; i < 100 && got[0] === Status.OK; i++) got = await write()
    expect(new Set(got)).toEqual(new Set([Status.RD_ERR]))
    expect(failed.slice(-8).every((errno) => errno === failed.at(-1))).toBe(true)
  })

  test('sockets are read 16 KiB at a time, unless the configuration says otherwise', async () => {
    const PREFETCH = 'ms_tcp_prefetch_max_size'
    await open('usual')
    expect(await session.native.call('getConf', PREFETCH)).toEqual(['16384'])
    await image.close()
    await session.native.close()
    await open('other', `${PREFETCH} = 8192`)
    expect(await session.native.call('getConf', PREFETCH)).toEqual(['8192'])
  })
})
