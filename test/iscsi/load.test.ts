import { cdb } from '../../packages/host/src/testing/cdb'
import { Initiator, samStatus } from '../lib/initiator'
import { Load, slotsIn } from '../lib/load'
import { describeIf, requires } from '../lib/requires'
import { rssKiB, until } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'

const SECONDS = Number(process.env['TCMU_LOAD_SECONDS'] ?? 60)
const DEPTH = 32
const SIZE = 64 * 2 ** 20
const SAMPLE_MS = 500
/** What a garbage collector may move the resident size by; a leak of 32 bytes a command would be far more. */
const ALLOWED_GROWTH_KIB = 24 * 1024

jest.setTimeout(SECONDS * 1000 + 600_000)

const median = (list: readonly number[]): number => [...list].sort((x, y) => x - y)[Math.floor(list.length / 2)]!

async function ready(host: HostProcess, name: string): Promise<Initiator> {
  const session = await Initiator.open(host.port, { name, target: host.targetName })
  await until(async () => (await session.command({ cdb: cdb.testUnitReady() })).status === samStatus.good, 'unit attentions end')
  return session
}

describeIf(requires.proc(), `two sessions, ${DEPTH} commands deep each, for ${SECONDS} s`, () => {
  const here = bench()

  test('every byte is right, nothing fails, and the host does not grow', async () => {
    const host = await here.start({ luns: [here.fileLun('disk', String(SIZE))] })
    const sessions = await Promise.all(['a', 'b'].map((n) => ready(host, `iqn.2026-11.test:load-${n}`)))
    const half = slotsIn(SIZE / 2)
    const end = performance.now() + SECONDS * 1000
    const sizes: number[] = []
    const sampler = setInterval(() => host.ended || sizes.push(rssKiB(host.pid)), SAMPLE_MS)
    try {
      const results = await Promise.all(sessions.map((s, i) =>
        new Load(s, i * half * (SIZE / 512 / slotsIn(SIZE)), half).run(DEPTH, () => performance.now() > end)))
      const commands = results.reduce((n, r) => n + r.commands, 0)
      const mebibytes = results.reduce((n, r) => n + r.bytes, 0) / 2 ** 20
      const quarter = Math.floor(sizes.length / 4)
      const [early, late] = [median(sizes.slice(quarter, 2 * quarter)), median(sizes.slice(-quarter))]
      process.stdout.write(`load: ${commands} commands, ${(mebibytes / SECONDS).toFixed(0)} MiB/s, resident ${(early / 1024).toFixed(0)} MiB early, ${(late / 1024).toFixed(0)} MiB late\n`)
      expect(commands).toBeGreaterThan(SECONDS * 100)
      expect(late - early).toBeLessThan(ALLOWED_GROWTH_KIB)
      for (const r of results) expect(Object.keys(r.byKind).sort()).toEqual(['compare and write', 'flush', 'read', 'ready', 'write', 'write same'])
    } finally {
      clearInterval(sampler)
      for (const s of sessions) s.destroy()
    }
    expect(await host.end()).toBe(0)
    expect(host.output).not.toMatch(/uncaught|unhandled|TypeError|RangeError/i)
  })
})
