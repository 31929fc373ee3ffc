import fc from 'fast-check'
import { chapResponse } from './chap'
import { LoginError, LoginStatus as S, ProtocolError } from './errors'
import { Login, type LoginPolicy, type LoginReply } from './login'
import { formatText, type Pair } from './text'

const target = 'iqn.2026-11.test:target'
const open: LoginPolicy = { targetName: target }
const guarded: LoginPolicy = { targetName: target, chap: { user: 'alice', secret: 'twelve or more', mutual: { user: 'disk', secret: 'another secret' } } }
const names: Pair[] = [['InitiatorName', 'iqn.2026-11.test:Me'], ['TargetName', target]]

type Step = Parameters<Login['request']>[0]
const operational: Step = { transit: true, more: false, currentStage: 1, nextStage: 3, versionMin: 0 }
const security: Step = { transit: true, more: false, currentStage: 0, nextStage: 1, versionMin: 0 }
const ask = (login: Login, step: Step, pairs: Pair[] = []): LoginReply => login.request(step, formatText(pairs))
function statusOf(work: () => unknown): number {
  try {
    work()
  } catch (e) {
    expect(e).toBeInstanceOf(LoginError)
    return (e as LoginError).status
  }
  return 0
}
const map = (reply: LoginReply): Map<string, string> => new Map(reply.pairs)

test('straight to full feature phase', () => {
  const login = new Login(open)
  const reply = ask(login, operational, [...names, ['MaxRecvDataSegmentLength', '65536'], ['InitialR2T', 'No']])
  expect(reply).toMatchObject({ transit: true, currentStage: 1, nextStage: 3 })
  expect(reply.pairs).toEqual([['TargetPortalGroupTag', '1'], ['InitialR2T', 'No'], ['MaxRecvDataSegmentLength', '262144']])
  expect([login.done, login.initiatorName, login.parameters.MaxRecvDataSegmentLength]).toEqual([true, 'iqn.2026-11.test:me', 65536])
})

test('through security without authentication, text in pieces', () => {
  const login = new Login(open)
  expect(ask(login, { ...security, transit: false, more: true }, [names[0]!])).toEqual({ transit: false, currentStage: 0, nextStage: 0, pairs: [] })
  expect(map(ask(login, security, [names[1]!, ['AuthMethod', 'CHAP,None']])).get('AuthMethod')).toBe('None')
  expect(ask(login, { ...operational, transit: false }, [['HeaderDigest', 'CRC32C']]).transit).toBe(false)
  expect(login.done).toBe(false)
  ask(login, operational)
  expect(login.done).toBe(true)
})

const proof = (policy: LoginPolicy, reply: LoginReply, algorithm: string, secret = policy.chap!.secret): string =>
  `0x${chapResponse(algorithm, Number(map(reply).get('CHAP_I')), secret, Buffer.from(map(reply).get('CHAP_C')!.slice(2), 'hex')).toString('hex')}`

test.each([['5', 'md5'], ['7', 'sha256'], ['9,7,5', 'sha256']])('CHAP with algorithm %s, both ways', (offer, algorithm) => {
  const login = new Login(guarded)
  expect(map(ask(login, { ...security, nextStage: 3 }, [...names, ['AuthMethod', 'CHAP,None']])).get('AuthMethod')).toBe('CHAP')
  const challenge = ask(login, { ...security, transit: false }, [['CHAP_A', offer]])
  const reply = ask(login, { ...security, nextStage: 3 }, [
    ['CHAP_N', 'alice'], ['CHAP_R', proof(guarded, challenge, algorithm)], ['CHAP_I', '17'], ['CHAP_C', '0xabcdef'],
  ])
  expect(map(reply).get('CHAP_N')).toBe('disk')
  expect(map(reply).get('CHAP_R')).toBe(`0x${chapResponse(algorithm, 17, 'another secret', Buffer.from('abcdef', 'hex')).toString('hex')}`)
  expect([reply.transit, login.done]).toEqual([true, true])
})

describe('refused with its status', () => {
  const chapTo = (answer: (challenge: LoginReply) => Pair[], policy = guarded): number => {
    const login = new Login(policy)
    ask(login, { ...security, transit: false }, [...names, ['AuthMethod', 'CHAP']])
    const challenge = ask(login, { ...security, transit: false }, [['CHAP_A', '5']])
    const status = statusOf(() => ask(login, security, answer(challenge)))
    expect(login.done).toBe(false)
    return status
  }
  const one: LoginPolicy = { targetName: target, chap: { user: 'alice', secret: 'twelve or more' } }

  test.each<[string, number, () => number]>([
    ['a wrong secret', S.AUTHENTICATION_FAILED, () => chapTo((c) => [['CHAP_N', 'alice'], ['CHAP_R', proof(guarded, c, 'md5', 'wrong')]])],
    ['a wrong user', S.AUTHENTICATION_FAILED, () => chapTo((c) => [['CHAP_N', 'bob'], ['CHAP_R', proof(guarded, c, 'md5')]])],
    ['no response', S.AUTHENTICATION_FAILED, () => chapTo(() => [['CHAP_N', 'alice']])],
    ['a response of odd characters', S.AUTHENTICATION_FAILED, () => chapTo(() => [['CHAP_N', 'alice'], ['CHAP_R', 'xyz']])],
    ['our own challenge sent back', S.AUTHENTICATION_FAILED, () => chapTo((c) => [['CHAP_N', 'alice'], ['CHAP_R', proof(guarded, c, 'md5')], ['CHAP_I', '1'], ['CHAP_C', map(c).get('CHAP_C')!]])],
    ['proof wanted of a target without mutual secret', S.AUTHENTICATION_FAILED, () => chapTo((c) => [['CHAP_N', 'alice'], ['CHAP_R', proof(one, c, 'md5')], ['CHAP_I', '1'], ['CHAP_C', '0x01']], one)],
    ['no algorithm in common', S.AUTHENTICATION_FAILED, () => {
      const login = new Login(guarded)
      ask(login, security, [...names, ['AuthMethod', 'CHAP']])
      return statusOf(() => ask(login, security, [['CHAP_A', '6']]))
    }],
    ['authentication skipped', S.AUTHENTICATION_FAILED, () => statusOf(() => ask(new Login(guarded), operational, names))],
    ['no AuthMethod where CHAP is required', S.AUTHENTICATION_FAILED, () => statusOf(() => ask(new Login(guarded), security, names))],
    ['AuthMethod=None where CHAP is required', S.AUTHENTICATION_FAILED, () => statusOf(() => ask(new Login(guarded), security, [...names, ['AuthMethod', 'None']]))],
    ['CHAP insisted on without secret here', S.AUTHENTICATION_FAILED, () => statusOf(() => ask(new Login(open), security, [...names, ['AuthMethod', 'CHAP']]))],
    ['an unknown target', S.NOT_FOUND, () => statusOf(() => ask(new Login(open), operational, [names[0]!, ['TargetName', 'iqn.2026-11.test:other']]))],
    ['an initiator that is not on the list', S.FORBIDDEN, () => statusOf(() => ask(new Login({ ...open, acl: new Set(['iqn.x:y']) }), operational, names))],
    ['no target name', S.MISSING_PARAMETER, () => statusOf(() => ask(new Login(open), operational, [names[0]!]))],
    ['no initiator name', S.MISSING_PARAMETER, () => statusOf(() => ask(new Login(open), operational, [names[1]!]))],
    ['an initiator name of control characters', S.INITIATOR_ERROR, () => statusOf(() => ask(new Login(open), operational, [['InitiatorName', 'a b'], names[1]!]))],
    ['another session type', S.SESSION_TYPE, () => statusOf(() => ask(new Login(open), operational, [...names, ['SessionType', 'Both']]))],
    ['a newer protocol version', S.VERSION, () => statusOf(() => ask(new Login(open), { ...operational, versionMin: 1 }, names))],
    ['a stage that there is not', S.INITIATOR_ERROR, () => statusOf(() => ask(new Login(open), { ...operational, currentStage: 2 }, names))],
    ['a step back', S.INITIATOR_ERROR, () => statusOf(() => ask(new Login(open), { ...operational, nextStage: 0 }, names))],
    ['a stage left out', S.INITIATOR_ERROR, () => {
      const login = new Login(open)
      ask(login, { ...security, transit: false }, names)
      return statusOf(() => ask(login, operational))
    }],
    ['continued and final at once', S.INITIATOR_ERROR, () => statusOf(() => ask(new Login(open), { ...operational, more: true }, names))],
    ['a key sent twice', S.INITIATOR_ERROR, () => statusOf(() => ask(new Login(open), operational, [...names, names[0]!]))],
    ['no end', S.INITIATOR_ERROR, () => {
      const login = new Login(open)
      ask(login, { ...operational, transit: false }, names)
      for (let i = 0; i < 63; i++) ask(login, { ...operational, transit: false })
      return statusOf(() => ask(login, { ...operational, transit: false }))
    }],
  ])('%s', (_what, status, run) => {
    expect(run().toString(16)).toBe(status.toString(16))
  })
})

test('a discovery session needs no target and no place on the list', () => {
  const login = new Login({ ...open, acl: new Set(['iqn.x:y']) })
  ask(login, operational, [['InitiatorName', 'iqn.2026-11.test:me'], ['SessionType', 'Discovery']])
  expect([login.done, login.discovery]).toEqual([true, true])
})

test('whatever comes, a login goes on, ends, or throws LoginError or ProtocolError; it is never done without proof', () => {
  const word = fc.oneof(
    fc.constantFrom('InitiatorName', 'TargetName', 'SessionType', 'AuthMethod', 'CHAP_A', 'CHAP_N', 'CHAP_R', 'CHAP_I', 'CHAP_C', 'HeaderDigest', 'MaxBurstLength'),
    fc.stringMatching(/^[A-Z][a-z]{0,8}$/),
  )
  const value = fc.oneof(fc.constantFrom(target, 'iqn.x:y', 'CHAP', 'None', 'Discovery', 'Normal', '5', '7', '0x00', 'alice'), fc.string({ maxLength: 20 }))
  const step = fc.record({ transit: fc.boolean(), more: fc.boolean(), currentStage: fc.nat(3), nextStage: fc.nat(3), versionMin: fc.constantFrom(0, 0, 0, 1) })
  const requests = fc.array(fc.tuple(step, fc.oneof(fc.array(fc.tuple(word, value), { maxLength: 6 }).map((p) => formatText(p)), fc.uint8Array({ maxLength: 60 }))), { maxLength: 8 })
  fc.assert(fc.property(requests, (list) => {
    const login = new Login(guarded)
    try {
      for (const [s, data] of list) {
        if (login.done) break
        login.request(s, data)
      }
    } catch (e) {
      expect(e instanceof LoginError || e instanceof ProtocolError).toBe(true)
    }
    expect(login.done).toBe(false)
  }), { numRuns: 500 })
})
