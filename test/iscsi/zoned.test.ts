import { cdb } from '../../packages/host/src/testing/cdb'
import { op, ReportZonesHeader, zoneAction, ZoneDescriptor, ZoneIn, ZoneOut } from '../../packages/host/src/scsi'
import { type Answer, Initiator, samStatus } from '../lib/initiator'
import { run, pause } from '../lib/run'
import { bench, cli } from '../lib/serve'

const ROUNDS = Number(process.env['TCMU_KILLS'] ?? 5)
const ZONE = 8192
const BLOCK = 512
const FIRST = 2
const WRITERS = 6
const LIMIT = 4

/** What a zone holds from block `at` on, in this round: its place and the round, so that nothing old passes for new. */
function contents(zone: number, round: number, at: number, blocks: number): Buffer {
  const out = Buffer.alloc(blocks * BLOCK)
  for (let i = 0; i < blocks; i++) out.fill(Buffer.from(Uint32Array.of(zone, round, at + i, ~(at + i)).buffer), i * BLOCK, (i + 1) * BLOCK)
  return out
}

interface Writer { readonly zone: number; issued: number; acknowledged: number }

/** Keep four writes of one zone under way until the connection goes. */
async function keepWriting(session: Initiator, w: Writer, round: number): Promise<void> {
  const one = async (): Promise<void> => {
    while (!session.gone && w.issued < ZONE) {
      const at = w.issued
      const blocks = Math.min(ZONE - at, 1 + ((at * 7 + w.zone) % 64))
      w.issued += blocks
      const answer = await session.command({ cdb: cdb.write16({ lba: w.zone * ZONE + at, blocks }), out: contents(w.zone, round, at, blocks) })
      if (answer.status !== samStatus.good) throw new Error(`write at ${at} of zone ${w.zone}: ${answer.sense.toString('hex')}`)
      w.acknowledged = Math.max(w.acknowledged, at + blocks)
    }
  }
  await Promise.allSettled(Array.from({ length: 4 }, one)).then((all) => {
    const wrong = all.find((r) => r.status === 'rejected' && !/connection/.test(String(r.reason)))
    if (wrong) throw (wrong as PromiseRejectedResult).reason
  })
}

async function zonesOf(session: Initiator): Promise<ReturnType<typeof ZoneDescriptor.decode>[]> {
  const room = ReportZonesHeader.size + 16 * ZoneDescriptor.size
  const { data } = await session.command({ cdb: ZoneIn.encode({ op: op.ZBC_IN, serviceAction: zoneAction.REPORT_ZONES, allocation: room }), in: room })
  return Array.from({ length: 16 }, (_, i) => ZoneDescriptor.decode(data, ReportZonesHeader.size + i * ZoneDescriptor.size))
}
const ready = async (session: Initiator): Promise<Answer> => {
  for (let i = 0; i < 10; i++) {
    const answer = await session.command({ cdb: cdb.testUnitReady() })
    if (answer.status === samStatus.good) return answer
  }
  throw new Error('the unit does not become ready')
}

describe('a zoned disk over iSCSI', () => {
  const here = bench()
  const lun = (): string => `name=z0,size=64M,cfgstring=zbc/zsize-4/conv-${FIRST}/open-${LIMIT}@${here.path('z0.img')}`

  test('after kill -9 under load every zone has what was acknowledged, nothing that was not sent, and its data is whole', async () => {
    let before: Writer[] = []
    let found = 0
    for (let round = 1; round <= ROUNDS + 1; round++) {
      const host = await here.start({ luns: [lun()] })
      const session = await Initiator.open(host.port, { target: host.targetName, name: 'iqn.2026-11.test:zoned' })
      await ready(session)
      const zones = await zonesOf(session)
      expect(zones.filter((z) => z.condition === 2 || z.condition === 3)).toEqual([])
      for (const w of before) {
        const written = zones[w.zone]!.condition === 0xe ? ZONE : zones[w.zone]!.writePointer - w.zone * ZONE
        expect(written).toBeGreaterThanOrEqual(w.acknowledged)
        expect(written).toBeLessThanOrEqual(w.issued)
        found += written
        if (written === 0) continue
        const { data } = await session.command({ cdb: cdb.read16({ lba: w.zone * ZONE, blocks: written }), in: written * BLOCK })
        expect(data.equals(contents(w.zone, round - 1, 0, written))).toBe(true)
      }
      if (round <= ROUNDS) {
        const reset = await session.command({ cdb: ZoneOut.encode({ op: op.ZBC_OUT, serviceAction: zoneAction.RESET_WRITE_POINTER, all: 1 }) })
        expect(reset.status).toBe(samStatus.good)
        before = Array.from({ length: WRITERS }, (_, i) => ({ zone: FIRST + i, issued: 0, acknowledged: 0 }))
        const writing = before.map((w) => keepWriting(session, w, round))
        await pause(20 + round * 15)
        await host.end('SIGKILL')
        await Promise.all(writing)
      } else await host.end()
      session.destroy()
    }
    expect(found).toBeGreaterThan(ROUNDS * 100)
  })

  test('tcmu-host zones shows its zones', async () => {
    const host = await here.start({ luns: [lun()] })
    const socket = /--socket (\S+)/.exec(host.child.spawnargs.join(' '))![1]!
    const zones = async (...more: string[]): Promise<string> => (await run(process.execPath, [cli, 'zones', 'z0', '--socket', socket, ...more])).stdout
    expect((JSON.parse(await zones('--json')) as { zones: unknown[] }).zones).toHaveLength(16)
    expect(await zones()).toMatch(/^ZONE +START +BLOCKS +TYPE +CONDITION +WRITE POINTER\n0 +0 +8192 +conventional/)
    expect(await zones('--map')).toMatch(/z0: 16 zones of 4MiB/)
    await host.end()
  })
})
