import { describeIf, requires } from '../lib/requires'
import { Initiator, samStatus } from '../lib/initiator'
import { pause, qemuIo, runOk, until } from '../lib/run'
import { bench, cli, type HostProcess } from '../lib/serve'
import { cdb } from '../../packages/host/src/testing/cdb'
import { ceph, cluster } from './ceph'

const MiB = 2 ** 20
const BLOCK = 512
const lun = (config: string): string => `name=disk,cfgstring=rbd/${config}`

/** Writes one block after the other at `depth`, and remembers which were acknowledged with what. */
class Writer {
  readonly acknowledged = new Map<number, number>()
  refused = 0
  private stopped = false
  private constructor(private readonly session: Initiator, private readonly working: Promise<void>[]) {}

  static async start(host: HostProcess, depth = 16): Promise<Writer> {
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:writer', target: host.targetName })
    const writer = new Writer(session, [])
    for (let i = 0; i < depth; i++) writer.working.push(writer.work(i, depth))
    return writer
  }

  private async work(first: number, step: number): Promise<void> {
    for (let lba = first; !this.stopped && lba < 16 * MiB / BLOCK; lba += step) {
      const stamp = 1 + (lba % 250)
      let status: number = samStatus.busy
      while (!this.stopped && status !== samStatus.good) {
        const answer = await this.session.command({ cdb: cdb.write16({ lba, blocks: 1 }), out: Buffer.alloc(BLOCK, stamp) }).catch(() => undefined)
        if (answer === undefined) return
        status = answer.status
        if (status === samStatus.good) this.acknowledged.set(lba, stamp)
        else this.refused++
        if (status === samStatus.busy) await pause(20)
      }
    }
  }

  async stop(): Promise<void> {
    this.stopped = true
    await Promise.all(this.working)
    this.session.destroy()
  }

  /** Everything that was acknowledged is there. */
  async verify(host: HostProcess): Promise<void> {
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:reader', target: host.targetName })
    const wrong: number[] = []
    // Unit attentions of a new session first.
    while ((await session.command({ cdb: cdb.testUnitReady() })).status !== samStatus.good) continue
    for (const [lba, stamp] of this.acknowledged) {
      const answer = await session.command({ cdb: cdb.read16({ lba, blocks: 1 }), in: BLOCK })
      if (answer.status !== samStatus.good || !answer.data.every((b) => b === stamp)) wrong.push(lba)
    }
    session.destroy()
    expect(wrong).toEqual([])
  }
}

describeIf(requires.all(ceph(), requires.qemu()), 'outages of the cluster', () => {
  const here = bench()
  const made = cluster()

  test('an OSD that hangs: commands end in time and say busy, the host says why, and all goes on when it is back', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('hung', '32M'))] })
    await qemuIo(host.url, ['write -P 7 16M 16M'])
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:reader', target: host.targetName })
    const read = () => session.command({ cdb: cdb.read16({ lba: 32 * 1024, blocks: 8 }), in: 8 * BLOCK })
    while ((await read()).status === samStatus.check) continue
    await made.it.pauseOsd()
    const began = performance.now()
    const answer = await read()
    const seconds = (performance.now() - began) / 1000
    expect(answer.status).toBe(samStatus.busy)
    // The grace of 3 s, the interval of 1 s, and 5 s more.
    expect(seconds).toBeGreaterThan(8)
    expect(seconds).toBeLessThan(15)
    await until(() => host.output.includes('rbd/hung: the cluster did not answer for 9 s'), 'the reason in the log')
    expect((await read()).status).toBe(samStatus.busy)
    const devices = async (...more: string[]): Promise<string> => (await runOk(process.execPath, [cli, 'devices', '--socket', here.socketOf(host), ...more])).stdout
    expect(await devices()).toMatch(/disk.*recovering.*\n +since \d{4}-.*Z: rbd\/hung: the cluster did not answer for 9 s\n/)
    expect(JSON.parse(await devices('--json'))).toMatchObject([{ state: 'recovering', fault: { reason: 'rbd/hung: the cluster did not answer for 9 s' } }])
    made.it.resumeOsd()
    await until(async () => (await read()).status === samStatus.good, 'the end of the outage', 60_000)
    expect((await read()).data.every((b) => b === 7)).toBe(true)
    await until(() => host.output.includes('disk is open again after'), 'the end of the outage in the log')
    expect(JSON.parse(await devices('--json'))).toMatchObject([{ state: 'running' }])
    expect(await devices()).not.toMatch(/since/)
    session.destroy()
    expect(await host.end()).toBe(0)
  })

  test('an OSD that is restarted under load: initiators wait, nothing is lost', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('restarted', '16M'))] })
    const writer = await Writer.start(host)
    await until(() => writer.acknowledged.size > 500, 'some writes')
    await made.it.stopOsd()
    const at = writer.acknowledged.size
    await made.it.startOsd()
    await until(() => writer.acknowledged.size > at + 500, 'writes after the restart', 60_000)
    await writer.stop()
    await writer.verify(host)
  })

  test('the host is killed under load: what was acknowledged is there', async () => {
    const config = await made.it.image('killed', '16M')
    const host = await here.start({ luns: [lun(config)] })
    const writer = await Writer.start(host)
    await until(() => writer.acknowledged.size > 500, 'some writes')
    await host.end('SIGKILL')
    await writer.stop()
    await writer.verify(await here.start({ luns: [lun(config)] }))
  })

  test('the handler\'s process is killed under load: it is started again, and initiators stay', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('crashed', '16M'))] })
    const writer = await Writer.start(host)
    await until(() => writer.acknowledged.size > 500, 'some writes')
    const pid = Number((await runOk('pgrep', ['-P', String(host.pid), '-f', 'device-host'])).stdout.split('\n')[0])
    process.kill(pid, 'SIGKILL')
    const at = writer.acknowledged.size
    await until(() => writer.acknowledged.size > at + 500, 'writes after the crash', 60_000)
    await writer.stop()
    await writer.verify(host)
    expect(await host.end()).toBe(0)
  })

  test('the host ends while the cluster hangs', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('ending', '16M'))] })
    const writer = await Writer.start(host)
    await until(() => writer.acknowledged.size > 100, 'some writes')
    await made.it.pauseOsd()
    await pause(200)
    const began = performance.now()
    await host.end()
    expect((performance.now() - began) / 1000).toBeLessThan(45)
    await writer.stop()
    made.it.resumeOsd()
  })
})

describeIf(requires.all(ceph(), requires.qemu()), 'an OSD that is killed', () => {
  const here = bench()
  const made = cluster({ store: 'disk' })

  test('under load: what was acknowledged is there when it is back', async () => {
    const host = await here.start({ luns: [lun(await made.it.image('survivor', '16M'))] })
    const writer = await Writer.start(host)
    await until(() => writer.acknowledged.size > 500, 'some writes')
    await made.it.stopOsd('SIGKILL')
    await pause(500)
    const at = writer.acknowledged.size
    await made.it.startOsd()
    await until(() => writer.acknowledged.size > at + 200, 'writes after the restart', 90_000)
    await writer.stop()
    await writer.verify(host)
    await qemuIo(host.url, ['write -P 9 0 1M', 'read -P 9 0 1M'])
  })
})
