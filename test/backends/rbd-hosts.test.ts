import { readFileSync, writeFileSync } from 'node:fs'
import { accessState, FixedSense, senseKey, StandardInquiry, tpgs } from '../../packages/host/src/scsi'
import { PortGroupDescriptor, SetPortGroupsHeader, StateDescriptor } from '../../packages/host/src/scsi/commands/tpg'
import { cdb } from '../../packages/host/src/testing/cdb'
import { type Answer, Initiator, samStatus } from '../lib/initiator'
import { describeIf } from '../lib/requires'
import { pause, runOk, stopProcess, until } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'
import { ceph, cluster } from './ceph'

const { OPTIMIZED, STANDBY } = accessState
const BLOCK = 512
const KiB = 1024
/** Of a write. All of them are more than what the two ends of a connection hold while nobody reads: 4 MiB where they are sent from. */
const PIECE = 128 * KiB
const PIECES = 100

/** A path of an initiator to the disk: a host in a process of its own, its portal, and a session with it. */
class Path {
  private constructor(readonly host: HostProcess, private readonly session: Initiator, private readonly group: number) {}

  static async open(host: HostProcess, group: number): Promise<Path> {
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:multipath', target: host.targetName })
    return new Path(host, session, group)
  }

  /** Once more after a unit attention: the session is new, states have changed. */
  private async command(command: Parameters<Initiator['command']>[0]): Promise<Answer> {
    for (;;) {
      const answer = await this.session.command(command)
      if (answer.status !== samStatus.check || FixedSense.decode(answer.sense).key !== senseKey.UNIT_ATTENTION) return answer
    }
  }

  async set(state: number, group = this.group): Promise<number> {
    const list = Buffer.concat([SetPortGroupsHeader.encode({}), StateDescriptor.encode({ id: group, state })])
    return (await this.command({ cdb: cdb.setPortGroups({ listLength: list.length }), out: list })).status
  }
  async states(): Promise<number[]> {
    const { status, data } = await this.command({ cdb: cdb.reportPortGroups(), in: 4096 })
    return status === samStatus.good ? [4, 16].map((at) => PortGroupDescriptor.decode(data, at).state) : []
  }
  async inquiry(page?: number): Promise<Buffer> {
    return (await this.command({ cdb: cdb.inquiry(page === undefined ? { allocation: 255 } : { evpd: 1, page, allocation: 255 }), in: 255 })).data
  }
  async write(piece: number, byte: number): Promise<number> {
    return (await this.command({ cdb: cdb.write16({ lba: (piece * PIECE) / BLOCK, blocks: PIECE / BLOCK }), out: Buffer.alloc(PIECE, byte) })).status
  }
  writeAll(byte: number): Promise<number[]> {
    return Promise.all(Array.from({ length: PIECES }, (_, piece) => this.write(piece, byte)))
  }
  /** The byte that each piece is made of; -1 where there are several. */
  async contents(): Promise<number[]> {
    const pieces: number[] = []
    for (let piece = 0; piece < PIECES; piece++) {
      const { status, data } = await this.command({ cdb: cdb.read16({ lba: (piece * PIECE) / BLOCK, blocks: PIECE / BLOCK }), in: PIECE })
      expect(status).toBe(samStatus.good)
      pieces.push(new Set(data).size === 1 ? data[0]! : -1)
    }
    return pieces
  }
  /** The process that has the image open. */
  async handlerPid(): Promise<number> {
    return Number((await runOk('pgrep', ['-P', String(this.host.pid), '-f', 'device-host'])).stdout.split('\n')[0])
  }
  close(): Promise<unknown> {
    this.session.destroy()
    return this.host.end()
  }
}

const count = (pieces: readonly number[], byte: number): number => pieces.filter((p) => p === byte).length
const all = (byte: number): number[] => Array.from({ length: PIECES }, () => byte)

describeIf(ceph(), 'two hosts in two processes, each with a portal, and one image of Ceph', () => {
  const here = bench()
  const made = cluster({ receiveBytes: 64 * KiB })

  /** Host `own` of two; initiators take both for paths to one disk. */
  async function path(config: string, own: 1 | 2): Promise<Path> {
    const file = here.path(`group-${own}.json`)
    writeFileSync(file, JSON.stringify({ portGroup: { id: own, access: 'explicit', others: [{ id: 3 - own }] } }))
    const args = ['--target-name', `iqn.2026-11.test:host-${own}`, '--config', file]
    return Path.open(await here.start({ luns: [`name=disk,serial=shared-1,cfgstring=rbd/${config}`], args }), own)
  }
  const both = async (config: string): Promise<[Path, Path]> => [await path(config, 1), await path(config, 2)]
  const close = (paths: readonly Path[]): Promise<unknown> => Promise.all(paths.map((p) => p.close()))

  test('initiators see one disk and two groups, and move it from one host to the other and back', async () => {
    const paths = await both(await made.it.image('moved', '16M'))
    const [a, b] = paths
    expect([await a.inquiry(), await b.inquiry()].map((data) => StandardInquiry.decode(data).tpgs)).toEqual([tpgs.EXPLICIT, tpgs.EXPLICIT])
    expect(await a.inquiry(0x80)).toEqual(await b.inquiry(0x80))
    expect([await a.states(), await b.states()]).toEqual([[STANDBY, STANDBY], [STANDBY, STANDBY]])
    expect(await a.write(0, 1)).toBe(samStatus.check)
    expect(await a.set(OPTIMIZED, 2)).toBe(samStatus.check)
    expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.writeAll(1)).toEqual(all(samStatus.good))
    expect(await b.write(0, 9)).toBe(samStatus.check)
    // Each portal names its own group first.
    expect([await a.states(), await b.states()]).toEqual([[OPTIMIZED, STANDBY], [STANDBY, OPTIMIZED]])

    expect(await b.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.write(0, 9)).not.toBe(samStatus.good)
    expect(await b.contents()).toEqual(all(1))
    expect(await b.write(0, 2)).toBe(samStatus.good)
    await until(async () => (await a.states()).join() === [STANDBY, OPTIMIZED].join(), 'host 1 to see who has it')

    expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.contents()).toEqual([2, ...all(1).slice(1)])
    expect(await a.set(STANDBY)).toBe(samStatus.good)
    expect(await b.states()).toEqual([STANDBY, STANDBY])
    await close(paths)
  })

  test('the active host is killed: the other one takes over at once, with all that was acknowledged', async () => {
    const [a, b] = await both(await made.it.image('orphaned', '16M'))
    expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.writeAll(1)).toEqual(all(samStatus.good))
    const pid = await a.handlerPid()
    await a.host.end('SIGKILL')
    const began = performance.now()
    expect(await b.set(OPTIMIZED)).toBe(samStatus.good)
    // Without breaking the lock it would be Ceph's watch that had to end, 30 s.
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(await b.contents()).toEqual(all(1))
    expect(await b.writeAll(2)).toEqual(all(samStatus.good))
    await until(() => runOk('ps', ['-o', 'stat=', '-p', String(pid)]).then((e) => e.stdout.startsWith('Z'), () => true), 'the end of the handler')
    await close([a, b])
  })

  /**
   * Writes of the active host that nobody has answered: part of them on their way to an OSD that hangs, part still in the process
   * of its handler, which hangs too. The OSD goes on then, and the handler when `meanwhile` is done.
   */
  async function delayed(active: Path, byte: number, meanwhile: () => Promise<void>): Promise<number[]> {
    const pid = await active.handlerPid()
    let writing: Promise<number[]>
    await made.it.pauseOsd()
    try {
      writing = active.writeAll(byte)
      await pause(500)
      await stopProcess(pid)
    } finally {
      made.it.resumeOsd()
    }
    try {
      await meanwhile()
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    return writing
  }

  test('delayed writes land when nobody else takes the lock', async () => {
    const paths = await both(await made.it.image('delayed', '16M'))
    const [a] = paths
    expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.writeAll(1)).toEqual(all(samStatus.good))
    expect(await delayed(a, 2, () => pause(1000))).toEqual(all(samStatus.good))
    expect(await a.contents()).toEqual(all(2))
    await close(paths)
  })

  test('delayed writes of the old owner never land once the new one has the lock', async () => {
    const config = await made.it.image('fenced', '16M')
    for (let round = 0; round < 3; round++) {
      const paths = await both(config)
      const [a, b] = paths
      const [before, late, after] = [3 * round + 1, 3 * round + 2, 3 * round + 3]
      expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
      expect(await a.writeAll(before)).toEqual(all(samStatus.good))
      let found: number[] = []
      const answers = await delayed(a, late, async () => {
        expect(await b.set(OPTIMIZED)).toBe(samStatus.good)
        found = await b.contents()
        expect(await b.write(0, after)).toBe(samStatus.good)
      })
      // What the OSD had before the lock moved may be there; some were still to be sent.
      expect(count(found, before)).toBeGreaterThan(0)
      expect(count(found, before) + count(found, late)).toBe(PIECES)
      expect(await b.contents()).toEqual([after, ...found.slice(1)])
      expect(answers.filter((status, piece) => status === samStatus.good && found[piece] !== late)).toEqual([])
      expect(answers.at(-1)).not.toBe(samStatus.good)
      await close(paths)
    }
  })

  test('without the blocklist they do: this is what it is for', async () => {
    const config = await made.it.image('unfenced', '16M')
    const lenient = here.path('lenient.conf')
    writeFileSync(lenient, readFileSync(made.it.conf, 'utf8').replace('[client]', '[client]\nrbd blocklist on break lock = false'))
    const paths = [await path(config, 1), await path(config.replace(made.it.conf, lenient), 2)] as const
    const [a, b] = paths
    expect(await a.set(OPTIMIZED)).toBe(samStatus.good)
    expect(await a.writeAll(1)).toEqual(all(samStatus.good))
    let found: number[] = []
    await delayed(a, 2, async () => {
      expect(await b.set(OPTIMIZED)).toBe(samStatus.good)
      found = await b.contents()
    })
    expect(count(await b.contents(), 2)).toBeGreaterThan(count(found, 2))
    await close(paths)
  })
})
