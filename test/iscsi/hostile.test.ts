import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { cdb } from '../../packages/host/src/testing/cdb'
import { firstLogin, Initiator, loginPdu, LoginRefused, samStatus, tmf, Wire } from '../lib/initiator'
import { BHS, DataOut, LoginRequest, NO_TAG, pdu, PlainRequest, request, ScsiCommand, TmfRequest } from '../lib/initiator/pdu'
import { testIf, requires } from '../lib/requires'
import { pause, rssKiB, until } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'

const MOST_24 = 2 ** 24 - 1
const MiB = 2 ** 20
const BLOCK = 512
const targetResets: readonly number[] = [tmf.targetWarmReset, tmf.targetColdReset]

const here = bench()
let host: HostProcess
let good: Initiator
let stamp = 0

const open = (name = 'iqn.2026-11.test:bad'): Promise<Initiator> => Initiator.open(host.port, { name, target: host.targetName })
const wire = (): Promise<Wire> => Wire.open(host.port, () => undefined)

/** The session that behaves stores and reads back a block. */
async function goodGoesOn(): Promise<void> {
  const block = Buffer.alloc(BLOCK, ++stamp)
  const written = await good.command({ cdb: cdb.write10({ lba: stamp, blocks: 1 }), out: block })
  const read = await good.command({ cdb: cdb.read10({ lba: stamp, blocks: 1 }), in: BLOCK })
  expect([written.status, read.status, read.data]).toEqual([samStatus.good, samStatus.good, block])
  expect(await good.nop(Buffer.from('ping'))).toEqual(Buffer.from('ping'))
}

const closedSoon = (closed: Promise<void>, ms = 20_000): Promise<string> => Promise.race([closed.then(() => 'closed'), pause(ms).then(() => 'still open')])

beforeAll(async () => {
  host = await here.start({ luns: [here.fileLun('good', '64M'), here.fileLun('bad', '16M')] })
  good = await open('iqn.2026-11.test:good')
  await until(async () => (await good.command({ cdb: cdb.testUnitReady() })).status === samStatus.good, 'unit attentions end')
})
afterEach(async () => {
  if (!host.ended) await goodGoesOn()
})

describe('before login', () => {
  test('noise closes that connection', async () => {
    for (const noise of [randomBytes(4096), Buffer.alloc(4096, 0xff), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(4))]) {
      const w = await wire()
      w.send(noise)
      expect(await closedSoon(w.closed)).toBe('closed')
    }
  })

  test('zeroes are a NOP-Out out of place', async () => {
    const w = await wire()
    w.send(Buffer.alloc(BHS))
    expect(await closedSoon(w.closed)).toBe('closed')
  })

  test('half a header, then nothing: others are served, and hanging up is noticed', async () => {
    const w = await wire()
    w.send(firstLogin({ target: host.targetName }).subarray(0, 20))
    await goodGoesOn()
    w.destroy()
  })

  test('a command instead of a login', async () => {
    const w = await wire()
    w.send(pdu(ScsiCommand.encode({ opcode: request.scsi, final: 1, itt: 1, cmdSn: 1, cdb: cdb.testUnitReady() })))
    expect(await closedSoon(w.closed)).toBe('closed')
  })

  test('a login of 2^24 - 1 bytes is refused by its header', async () => {
    const w = await wire()
    w.send(LoginRequest.encode({ opcode: request.login, immediate: 1, transit: 1, csg: 1, nsg: 3, itt: 1, cmdSn: 1, dataLength: MOST_24 }))
    expect(await closedSoon(w.closed)).toBe('closed')
  })

  test.each([
    ['no key at all', {}],
    ['no initiator name', { SessionType: 'Discovery' }],
    ['a target that is not there', { InitiatorName: 'iqn.2026-11.test:x', TargetName: 'iqn.2026-11.test:nobody' }],
    ['no target name', { InitiatorName: 'iqn.2026-11.test:x', SessionType: 'Normal' }],
    ['an odd session type', { InitiatorName: 'iqn.2026-11.test:x', SessionType: 'Both' }],
    ['a name of 300 characters', { InitiatorName: `iqn.2026-11.test:${'x'.repeat(300)}`, SessionType: 'Discovery' }],
  ])('a login with %s is refused', async (_, keys) => {
    const w = await wire()
    w.send(loginPdu({}, keys))
    expect(await closedSoon(w.closed)).toBe('closed')
  })

  test('text that is no key=value list closes that connection', async () => {
    for (const text of ['=', 'no equals sign\0', '\0\0\0=\0', `${'k'.repeat(100)}=v\0`, 'InitiatorName=\xff\xfe\0', 'a=b\0'.repeat(2000)]) {
      const w = await wire()
      const data = Buffer.from(text, 'latin1')
      w.send(pdu(LoginRequest.encode({ opcode: request.login, immediate: 1, transit: 1, csg: 1, nsg: 3, itt: 1, cmdSn: 1, dataLength: data.length }), data))
      expect(await closedSoon(w.closed)).toBe('closed')
    }
  })

  testIf(requires.proc(), 'floods of login text that never ends: bounded memory', async () => {
    const before = rssKiB(host.pid)
    const data = Buffer.from(`X-flood=${'y'.repeat(8000)}\0`)
    const flood = pdu(LoginRequest.encode({ opcode: request.login, immediate: 1, continues: 1, csg: 1, nsg: 0, itt: 1, cmdSn: 1, dataLength: data.length }), data)
    const wires = await Promise.all(Array.from({ length: 16 }, wire))
    for (let i = 0; i < 400; i++) {
      for (const w of wires) w.send(flood)
      if (i % 40 === 0) await pause(1)
    }
    const ends = await Promise.all(wires.map((w) => closedSoon(w.closed)))
    expect(ends.every((e) => e === 'closed')).toBe(true)
    expect(rssKiB(host.pid) - before).toBeLessThan(64 * 1024)
  })

  test('200 connections that say nothing do not keep others out', async () => {
    const wires = await Promise.all(Array.from({ length: 200 }, wire))
    await goodGoesOn()
    const one = await open('iqn.2026-11.test:late')
    await one.logout()
    for (const w of wires) w.destroy()
  })
})

describe('after login', () => {
  const command = (more: Partial<Parameters<typeof ScsiCommand.encode>[0]>, s: Initiator): Buffer =>
    pdu(ScsiCommand.encode({ opcode: request.scsi, final: 1, itt: 77, cmdSn: s.login.expCmdSn, cdb: cdb.testUnitReady(), ...more }))

  test('a data segment of 2^24 - 1 bytes closes that connection', async () => {
    const s = await open()
    s.raw(command({ dataLength: MOST_24, write: 1, expected: MOST_24, cdb: cdb.write10({ lba: 0, blocks: 1 }) }, s))
    expect(await closedSoon(s.closed)).toBe('closed')
  })

  testIf(requires.proc(), 'many sessions that announce 2^24 - 1 bytes and send some: bounded memory', async () => {
    const before = rssKiB(host.pid)
    const sessions = await Promise.all(Array.from({ length: 40 }, (_, i) => open(`iqn.2026-11.test:many-${i}`)))
    const part = Buffer.alloc(64 * 1024)
    for (const s of sessions) {
      s.raw(command({ dataLength: MOST_24, write: 1, expected: MOST_24, cdb: cdb.write16({ lba: 0, blocks: 32767 }) }, s))
      s.raw(part)
    }
    await pause(500)
    await goodGoesOn()
    expect(rssKiB(host.pid) - before).toBeLessThan(128 * 1024)
    for (const s of sessions) s.destroy()
  })

  testIf(requires.proc(), 'write commands whose data never comes: bounded memory', async () => {
    const before = rssKiB(host.pid)
    const sessions = await Promise.all(Array.from({ length: 8 }, (_, i) => open(`iqn.2026-11.test:never-${i}`)))
    for (const s of sessions) {
      for (let i = 0; i < 64; i++) {
        s.raw(command({ write: 1, itt: 100 + i, cmdSn: s.login.expCmdSn + i, expected: 16 * MiB, cdb: cdb.write16({ lba: 0, blocks: 32768 }) }, s))
      }
    }
    await pause(500)
    await goodGoesOn()
    expect(rssKiB(host.pid) - before).toBeLessThan(256 * 1024)
    for (const s of sessions) s.destroy()
    await goodGoesOn()
  })

  testIf(requires.proc(), 'one that asks for much and reads nothing: bounded memory', async () => {
    const s = await open()
    s.raw(Buffer.alloc(0))
    const before = rssKiB(host.pid)
    const w = await Wire.open(host.port, () => undefined)
    w.send(firstLogin({ name: 'iqn.2026-11.test:deaf', target: host.targetName }))
    await pause(200)
    w.socket.pause()
    for (let i = 0; i < 2000; i++) {
      w.send(pdu(ScsiCommand.encode({ opcode: request.scsi, final: 1, read: 1, itt: 10 + i, cmdSn: 1 + i, expected: MiB, cdb: cdb.read10({ lba: 0, blocks: 2048 }) })))
    }
    await pause(1500)
    await goodGoesOn()
    expect(rssKiB(host.pid) - before).toBeLessThan(256 * 1024)
    w.destroy()
    s.destroy()
  })

  test.each<[string, (s: Initiator) => Uint8Array]>([
    ['an opcode that does not exist', (s) => pdu(PlainRequest.encode({ opcode: 0x1f, final: 1, itt: 5, cmdSn: s.login.expCmdSn }))],
    ['Data-Out for a task that does not exist', () => pdu(DataOut.encode({ opcode: request.dataOut, final: 1, itt: 0x4444, ttt: 0x5555, dataLength: 512 }), Buffer.alloc(512))],
    ['an additional header of 1020 bytes', (s) => command({ ahsLength: 255 }, s)],
    ['a reserved tag', (s) => command({ itt: NO_TAG }, s)],
    ['a second login', () => firstLogin({ target: host.targetName })],
    ['task management of an odd kind', (s) => TmfRequest.encode({ opcode: request.tmf, immediate: 1, final: 1, task: 0x7f, itt: 5, cmdSn: s.login.expCmdSn })],
    ['a LUN of an odd address method', (s) => command({ lun: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) }, s)],
    ['a CmdSN far outside the window', (s) => command({ cmdSn: (s.login.expCmdSn + 0x40000000) >>> 0 }, s)],
  ])('%s hurts nobody else', async (_, bytes) => {
    const s = await open()
    s.raw(bytes(s))
    await pause(100)
    await goodGoesOn()
    s.destroy()
  })

  test('half a PDU and gone', async () => {
    const s = await open()
    s.raw(command({ write: 1, expected: 4096, dataLength: 4096, cdb: cdb.write10({ lba: 0, blocks: 8 }) }, s).subarray(0, 30))
    s.destroy()
    const t = await open()
    t.raw(Buffer.concat([command({ write: 1, expected: 4096, dataLength: 4096, cdb: cdb.write10({ lba: 0, blocks: 8 }) }, t), Buffer.alloc(1000)]))
    t.destroy()
  })

  test('hanging up with commands under way', async () => {
    for (let i = 0; i < 10; i++) {
      const s = await open()
      for (let n = 0; n < 30; n++) void s.command({ cdb: cdb.read10({ lba: 0, blocks: 1024 }), in: 1024 * BLOCK }).catch(() => undefined)
      await pause(i)
      s.destroy()
    }
  })
})

describe('property: any bytes', () => {
  test('in place of a login', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 600 }), async (bytes) => {
      const w = await wire()
      w.send(bytes)
      await pause(2)
      w.destroy()
      await goodGoesOn()
    }), { numRuns: 100 })
  })

  test('in the header and data of a PDU of a session', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: BHS, maxLength: BHS }), fc.uint8Array({ maxLength: 512 }), fc.constantFrom(...Object.values(request)), async (header, data, opcode) => {
      const s = await open().catch((e: unknown) => {
        if (e instanceof LoginRefused) return undefined
        throw e
      })
      const bytes = Buffer.from(header)
      bytes[0] = (bytes[0]! & 0x40) | opcode
      bytes.writeUIntBE(data.length, 5, 3)
      // The session that behaves uses LUN 0: what is legal from another initiator (a reset, a stop, a write) may happen to LUN 1.
      bytes[8] = 0
      bytes[9] = 1
      if (opcode === request.tmf && targetResets.includes(bytes[1]! & 0x7f)) bytes[1] = 0x80 | tmf.lunReset
      s?.raw(pdu(bytes, data))
      await pause(2)
      s?.destroy()
      await goodGoesOn()
    }), { numRuns: 200 })
  })
})

test('in the end the host stops cleanly and has complained of nothing that is its own fault', async () => {
  expect(host.ended).toBe(false)
  expect(await host.end()).toBe(0)
  expect(host.output).not.toMatch(/uncaught|unhandled|TypeError|RangeError/i)
})
