import { cdb, held, ramHandler } from '@tcmu/host/testing'
import { FixedSense, sam } from '@tcmu/host/scsi'
import { LogoutRequest, LogoutResponse, NO_TAG, NopIn, NopOut, Opcode, Reject, TextRequest, TextResponse } from './pdu'
import { Initiator, type LoginAnswer, type Outcome } from './testing/initiator'
import { type Bench, disk, Portals } from './testing/bench'
import { formatText, parseText } from './text'

const portals = new Portals()
afterEach(() => portals.end())
const senseOf = (o: Outcome): string => {
  const s = FixedSense.decode(o.sense)
  return `${s.key.toString(16)}/${s.asc.toString(16).padStart(4, '0')}`
}
const lastWarning = (b: Bench): string | undefined => b.log.lines.filter((l) => l.startsWith('warn')).at(-1)
const write = (lba: number, blocks: number): Uint8Array => cdb.write10({ lba, blocks })
const read = (lba: number, blocks: number): Uint8Array => cdb.read10({ lba, blocks })

describe('login', () => {
  const attempt = async (b: Bench, pairs: Record<string, string>, step: object = { transit: 1, currentStage: 1, nextStage: 3 }): Promise<LoginAnswer> => {
    const i = await Initiator.connect(b.port)
    const answer = await i.step(step, Object.entries(pairs))
    if (answer.status) await i.wire.closed
    i.close()
    return answer
  }
  const me = { InitiatorName: 'iqn.2026-11.test:one' }
  const there = { TargetName: 'iqn.2026-11.test:target' }

  test('a session has a TSIH, its target port group, and what was negotiated', async () => {
    const answer = await attempt(await portals.make(), { ...me, ...there, MaxBurstLength: '65536' })
    expect(answer).toMatchObject({ status: 0, transit: true, nextStage: 3 })
    expect(answer.tsih).toBeGreaterThan(0)
    expect(Object.fromEntries(answer.keys)).toEqual({ TargetPortalGroupTag: '1', MaxBurstLength: '65536', MaxRecvDataSegmentLength: '262144' })
  })

  test.each<[string, number, Record<string, string>]>([
    ['an unknown target', 0x0203, { ...me, TargetName: 'iqn.x:y' }],
    ['no target', 0x0207, me],
    ['an initiator that is not on the list', 0x0202, { InitiatorName: 'iqn.x:stranger', ...there }],
  ])('%s: status %p, and the connection ends', async (_what, status, pairs) => {
    const b = await portals.make({ acl: ['iqn.2026-11.test:ONE'] })
    expect((await attempt(b, pairs)).status).toBe(status)
    expect(b.portal.sessions()).toEqual([])
    await expect(b.login()).resolves.toBeDefined()
  })

  test('CHAP is asked for, of discovery sessions too', async () => {
    const b = await portals.make({ chap: { user: 'u', secret: 'secret' } })
    expect((await attempt(b, { ...me, ...there })).status).toBe(0x0201)
    expect((await attempt(b, { ...me, SessionType: 'Discovery' })).status).toBe(0x0201)
    expect((await attempt(b, { ...me, ...there, AuthMethod: 'CHAP,None' }, { transit: 1, currentStage: 0, nextStage: 1 })).keys.get('AuthMethod')).toBe('CHAP')
  })

  test('a TSIH that names no session', async () => {
    const b = await portals.make()
    expect((await attempt(b, { ...me, ...there }, { transit: 1, currentStage: 1, nextStage: 3, tsih: 77 })).status).toBe(0x020a)
  })

  test('silence is cut off after the time limit', async () => {
    const b = await portals.make({ limits: { loginSeconds: 1 } })
    const i = await Initiator.connect(b.port)
    await i.wire.closed
    expect(lastWarning(b)).toMatch(/login took longer than 1 s/)
  })

  test('who has to wait for commands of its session before is told to try again', async () => {
    let letGo = (): void => undefined
    const stuck = await disk({ ...ramHandler, read: () => new Promise<void>((resolve) => (letGo = resolve)) })
    const b = await portals.make({ luns: new Map([[0, stuck]]), limits: { loginSeconds: 1 } })
    const old = await b.login()
    await old.settle()
    old.start({ cdb: cdb.read10({ lba: 0, blocks: 1 }), in: 512 })
    expect((await attempt(b, { ...me, ...there })).status).toBe(0x0301)
    expect(lastWarning(b)).toMatch(/E_LOGIN: .*have not ended yet/)
    letGo()
    await expect(b.login()).resolves.toBeDefined()
  })

  test('who says nothing makes room for who does; more sessions than there may be are turned away', async () => {
    const b = await portals.make({ limits: { logins: 2, connections: 2 } })
    const [first] = await Promise.all([Initiator.connect(b.port), Initiator.connect(b.port)])
    const one = await b.login()
    await first.wire.closed
    await b.login({ InitiatorName: 'iqn.x:two' })
    await expect(b.login({ InitiatorName: 'iqn.x:three' })).rejects.toThrow('closed')
    expect((await one.settle()).cmdSn).toBeGreaterThan(1)
  })
})

describe('discovery', () => {
  async function targets(b: Bench, value: string): Promise<[string, string][]> {
    const i = await Initiator.connect(b.port)
    await i.step({ transit: 1, currentStage: 1, nextStage: 3 }, [['InitiatorName', 'iqn.x:y'], ['SessionType', 'Discovery']])
    i.wire.send(TextRequest.encode({ opcode: Opcode.TEXT, immediate: 1, final: 1, itt: 9, ttt: NO_TAG, cmdSn: 1 }), formatText([['SendTargets', value]]))
    const pdu = await i.wire.next()
    expect(TextResponse.decode(pdu.header)).toMatchObject({ opcode: Opcode.TEXT_RESPONSE, itt: 9, final: 1, ttt: NO_TAG })
    i.close()
    return parseText(pdu.data) as [string, string][]
  }

  test('SendTargets names the target and the address it was asked at; not to strangers', async () => {
    const b = await portals.make()
    const found = [['TargetName', 'iqn.2026-11.test:target'], ['TargetAddress', `127.0.0.1:${b.port},1`]]
    expect(await targets(b, 'All')).toEqual(found)
    expect(await targets(b, 'iqn.2026-11.test:target')).toEqual(found)
    expect(await targets(b, 'iqn.x:other')).toEqual([])
    expect(await targets(await portals.make({ acl: ['iqn.x:z'] }), 'All')).toEqual([])
  })

  test('a command in a discovery session ends it', async () => {
    const b = await portals.make()
    const i = await Initiator.connect(b.port)
    await i.step({ transit: 1, currentStage: 1, nextStage: 3 }, [['InitiatorName', 'iqn.x:y'], ['SessionType', 'Discovery']])
    i.start({ cdb: cdb.testUnitReady() })
    await i.wire.closed
  })
})

describe('LUNs', () => {
  const inquiry = (i: Initiator, lun: number): Promise<Outcome> => i.command({ cdb: cdb.inquiry({ allocation: 96 }), in: 96, lun })
  const reportLuns = (i: Initiator, lun = 0): Promise<Outcome> =>
    i.command({ cdb: Uint8Array.from([0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), in: 256, lun })
  const numbers = (o: Outcome): number[] => Array.from({ length: o.data.readUInt32BE(0) / 8 }, (_, n) => o.data.readUInt16BE(8 + 8 * n))

  test('there are the ones there are, LUN 0 or not; others say that they are not', async () => {
    const b = await portals.make({ luns: new Map([[5, await disk()], [300, await disk()]]) })
    const i = await b.login()
    expect(numbers(await reportLuns(i))).toEqual([5, 0x412c])
    await i.settle(5)
    expect(numbers(await reportLuns(i, 5))).toEqual([5, 0x412c])
    expect((await inquiry(i, 5)).data[0]).toBe(0x00)
    expect((await inquiry(i, 0)).data[0]).toBe(0x7f)
    const other = await i.command({ cdb: cdb.testUnitReady(), lun: 0 })
    expect([other.status, senseOf(other)]).toEqual([sam.CHECK_CONDITION, '5/2500'])
    expect(FixedSense.decode((await i.command({ cdb: cdb.requestSense({ allocation: 18 }), in: 18, lun: 1 })).data).asc).toBe(0x2500)
    const wrote = await i.command({ cdb: write(0, 1), out: Buffer.alloc(512), lun: 7 })
    expect([senseOf(wrote), wrote.r2t]).toEqual(['5/2500', 0])
  })

  test('sessions hear of LUNs that come and go', async () => {
    const b = await portals.make()
    const i = await b.login().then((x) => x.settle())
    b.portal.addLun(1, await disk())
    expect(senseOf(await i.command({ cdb: cdb.testUnitReady() }))).toBe('6/3f0e')
    expect(senseOf(await i.command({ cdb: cdb.testUnitReady(), lun: 1 }))).toBe('6/2900')
    expect((await i.command({ cdb: read(0, 1), in: 512, lun: 1 })).status).toBe(sam.GOOD)
    await b.portal.removeLun(1)
    expect(senseOf(await i.command({ cdb: cdb.testUnitReady() }))).toBe('6/3f0e')
    expect(senseOf(await i.command({ cdb: cdb.testUnitReady(), lun: 1 }))).toBe('5/2500')
    for (const n of [-1, 16384, 0.5]) expect(() => b.portal.addLun(n, null as never)).toThrow('E_LUN_NUMBER')
    expect(() => b.portal.addLun(0, null as never)).toThrow('E_LUN_TAKEN')
  })
})

describe('sessions', () => {
  test('a new login of the same initiator port ends the old session and its commands', async () => {
    const slow = held(ramHandler)
    const b = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]) })
    const old = await b.login().then((x) => x.settle())
    old.start({ cdb: read(0, 1), in: 512 })
    await new Promise((r) => setTimeout(r, 20))
    const again = b.login()
    await old.wire.closed
    slow.releaseAll()
    const i = await again
    expect(b.portal.sessions()).toHaveLength(1)
    expect(senseOf(await i.command({ cdb: cdb.testUnitReady() }))).toBe('6/2900')
    expect(i.wire.pending).toBe(0)
  })

  test('other ISIDs are other sessions', async () => {
    const b = await portals.make()
    for (let n = 1; n <= 3; n++) await b.login({}, Uint8Array.of(0x80, 0, 0, 0, 0, n))
    expect(b.portal.sessions().map((s) => s.initiator)).toEqual(Array<string>(3).fill('iqn.2026-11.test:one'))
  })

  test('logout is answered, then the connection ends; a connection that there is not, and recovery, are refused', async () => {
    const b = await portals.make()
    const i = await b.login().then((x) => x.settle())
    const logout = async (fields: object): Promise<number> => {
      i.wire.send(LogoutRequest.encode({ opcode: Opcode.LOGOUT, immediate: 1, final: 1, itt: i.itt++, cmdSn: i.cmdSn, ...fields }))
      return LogoutResponse.decode((await i.wire.next()).header).response
    }
    expect(await logout({ reason: 1, cid: 9 })).toBe(1)
    expect(await logout({ reason: 2 })).toBe(2)
    expect(await logout({ reason: 0 })).toBe(0)
    await i.wire.closed
    expect(b.portal.sessions()).toEqual([])
  })

  test('NOP-Out is echoed; silence is answered by a ping, more silence by the end', async () => {
    const b = await portals.make({ limits: { pingSeconds: 1, pongSeconds: 1 } })
    const i = await b.login().then((x) => x.settle())
    i.wire.send(NopOut.encode({ opcode: Opcode.NOP_OUT, immediate: 1, final: 1, itt: 5, ttt: NO_TAG, cmdSn: i.cmdSn }), Buffer.from('hello'))
    const echo = await i.wire.next()
    expect([NopIn.decode(echo.header).itt, echo.data.toString()]).toEqual([5, 'hello'])
    for (let n = 0; n < 2; n++) {
      const ping = NopIn.decode((await i.wire.next()).header)
      expect([ping.itt, ping.ttt === NO_TAG]).toEqual([NO_TAG, false])
      i.wire.send(NopOut.encode({ opcode: Opcode.NOP_OUT, immediate: 1, final: 1, itt: NO_TAG, ttt: ping.ttt, cmdSn: i.cmdSn }))
    }
    await i.wire.closed
    expect(lastWarning(b)).toMatch(/no answer to a ping/)
  })

  test('numbers: a CmdSN outside the window is ignored, one too early is held, a repetition is dropped', async () => {
    const i = await (await portals.make()).login().then((x) => x.settle())
    const first = i.cmdSn
    for (const cmdSn of [first + 500, first - 1, first + 1, first + 1, first]) {
      i.cmdSn = cmdSn >>> 0
      i.start({ cdb: cdb.testUnitReady() })
    }
    const tags = [(await i.wire.next()).header.readUInt32BE(16), (await i.wire.next()).header.readUInt32BE(16)]
    expect(tags).toEqual([i.itt - 1, i.itt - 3])
    i.cmdSn = first + 2
    expect((await i.command({ cdb: cdb.testUnitReady(), urgent: true })).status).toBe(sam.GOOD)
    expect((await i.command({ cdb: cdb.testUnitReady() })).status).toBe(sam.GOOD)
    expect(i.wire.pending).toBe(0)
  })

  test('SNACK and unknown operation codes are rejected, and life goes on', async () => {
    const i = await (await portals.make()).login().then((x) => x.settle())
    for (const [opcode, reason] of [[Opcode.SNACK, 3], [0x1c, 5]] as const) {
      const header = NopOut.encode({ opcode, final: 1, itt: 8, cmdSn: i.cmdSn })
      i.wire.send(header)
      const pdu = await i.wire.next()
      expect(Reject.decode(pdu.header).reason).toBe(reason)
      expect(pdu.data.equals(Buffer.from(header))).toBe(true)
    }
    expect((await i.command({ cdb: cdb.testUnitReady() })).status).toBe(sam.GOOD)
  })

  test('both directions at once are refused', async () => {
    const i = await (await portals.make()).login().then((x) => x.settle())
    const both = await i.command({ cdb: write(0, 1), out: Buffer.alloc(512), in: 512, immediate: 512 })
    expect([both.status, senseOf(both)]).toEqual([sam.CHECK_CONDITION, '5/2000'])
  })
})

describe('closing', () => {
  test('commands under way end, sessions are closed, nothing is accepted', async () => {
    const slow = held(ramHandler)
    const b = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]) })
    const i = await b.login().then((x) => x.settle())
    const itt = i.start({ cdb: read(0, 1), in: 512 })
    await new Promise((r) => setTimeout(r, 20))
    const closing = b.portal.close(5000)
    slow.releaseAll()
    expect((await i.finish(itt, { cdb: read(0, 1), in: 512 })).status).toBe(sam.GOOD)
    await closing
    await i.wire.closed
    await expect(Initiator.connect(b.port)).rejects.toThrow('ECONNREFUSED')
    await expect(b.portal.listen()).rejects.toThrow('E_PORTAL_CLOSED')
  })

  test('after the deadline it does not wait any more', async () => {
    const slow = held(ramHandler)
    const b = await portals.make({ luns: new Map([[0, await disk(slow.handler)]]) })
    const i = await b.login().then((x) => x.settle())
    i.start({ cdb: read(0, 1), in: 512 })
    await new Promise((r) => setTimeout(r, 20))
    const before = Date.now()
    await b.portal.close(100)
    await i.wire.closed
    expect(slow.waiting).toHaveLength(1)
    expect(Date.now() - before).toBeLessThan(4000)
  })

  test('an address in use says so by its errno', async () => {
    const b = await portals.make()
    await expect(portals.make({ port: b.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
