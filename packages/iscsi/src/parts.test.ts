import fc from 'fast-check'
import { answerText, targetAddress } from './discovery'
import { lunHigh, lunNumber, NO_LUN, WELL_KNOWN_REPORT_LUNS } from './lun-address'
import { isIscsiName, isUsableName, normalName } from './names'
import { checkOptions, type PortalOptions } from './options'
import { listLuns } from './report-luns'

describe('LUN fields (SAM-5 4.7)', () => {
  test.each([
    [0x00000000, 0, 0], [0x00010000, 0, 1], [0x00ff0000, 0, 255], [0x40000000, 0, 0], [0x41000000, 0, 256], [0x7fff0000, 0, 16383],
    [0x01000000, 0, NO_LUN], [0x80000000, 0, NO_LUN], [0x00010001, 0, NO_LUN], [0x00010000, 1, NO_LUN], [0xc1010000, 0, WELL_KNOWN_REPORT_LUNS],
    [0xc1020000, 0, NO_LUN], [0xffffffff, 0xffffffff, NO_LUN],
  ])('%p %p is %d', (high, low, number) => {
    expect(lunNumber(high, low)).toBe(number)
  })
  test('every number comes back', () => {
    for (let n = 0; n < 16384; n++) expect(lunNumber(lunHigh(n), 0)).toBe(n)
  })
})

test('REPORT LUNS data, ascending; well-known units only; and no such list', () => {
  expect(Buffer.from(listLuns([300, 1, 0], 0)!).toString('hex')).toBe('0000001800000000' + '0000000000000000' + '0001000000000000' + '412c000000000000')
  expect(Buffer.from(listLuns([1], 1)!).toString('hex')).toBe('0000000000000000')
  expect(listLuns([1], 0x55)).toBeUndefined()
})

describe('SendTargets', () => {
  const directory = { targetName: 'iqn.x:t', address: '10.0.0.1:3260', visible: true, discovery: true }
  const found = [['TargetName', 'iqn.x:t'], ['TargetAddress', '10.0.0.1:3260,1']]
  test.each([
    ['All', {}, found], ['All', { visible: false }, []], ['All', { discovery: false }, [['SendTargets', 'Reject']]],
    ['IQN.X:T', {}, found], ['iqn.x:u', {}, []], ['', { discovery: false }, found], ['', {}, []],
  ])('=%s with %j', (value, more, answer) => {
    expect(answerText([['SendTargets', value]], { ...directory, ...more })).toEqual(answer)
  })
  test('other keys are rejected', () => {
    expect(answerText([['MaxBurstLength', '1']], directory)).toEqual([['MaxBurstLength', 'Reject']])
  })
  test.each([['127.0.0.1', '127.0.0.1:1'], ['::1', '[::1]:1'], ['::ffff:10.1.2.3', '10.1.2.3:1'], ['fe80::1%eth0', '[fe80::1]:1']])('address %s', (address, text) => {
    expect(targetAddress(address, 1)).toBe(text)
  })
})

describe('names', () => {
  test.each(['iqn.2026-11.host.tcmu:default', 'iqn.2001-04.com.example', 'iqn.2001-04.com.example:a.b-c1', 'eui.0123456789abcdef', 'naa.0123456789abcdef'])('%s is one', (name) => {
    expect(isIscsiName(name)).toBe(true)
  })
  test.each(['', 'iqn', 'iqn.2001-13.com.example', 'iqn.2001-04.com.example:a b', 'iqn.2001-04.com.example:A', 'iqn.2001-04.com.example:a_b', 'eui.123', 'naa.0123', `iqn.2001-04.com.example:${'x'.repeat(220)}`])('%j is none', (name) => {
    expect(isIscsiName(name)).toBe(false)
  })
  test('normal form is stable', () => {
    fc.assert(fc.property(fc.string(), (s) => {
      expect(normalName(normalName(s))).toBe(normalName(s))
      expect(typeof isUsableName(s)).toBe('boolean')
    }))
  })
})

describe('options', () => {
  const good = { address: '127.0.0.1', port: 0, targetName: 'iqn.2026-11.test:t', luns: new Map(), log: {} } as unknown as PortalOptions
  const codeOf = (more: Partial<PortalOptions>): unknown => {
    try {
      checkOptions({ ...good, ...more })
    } catch (e) {
      expect((e as Error).message).toMatch(/^E_[A-Z_]+: /)
      return (e as { code: unknown }).code
    }
    return 'fine'
  }
  test.each<[string, Partial<PortalOptions>, string]>([
    ['loopback', {}, 'fine'], ['IPv6 loopback', { address: '::1' }, 'fine'], ['all of 127', { address: '127.9.9.9' }, 'fine'], ['by name', { address: 'localhost' }, 'fine'],
    ['open to all', { address: '0.0.0.0' }, 'E_PORTAL_OPEN'], ['open on IPv6', { address: '::' }, 'E_PORTAL_OPEN'], ['a name that looks like one', { address: '127.evil.example' }, 'E_PORTAL_OPEN'],
    ['open, with CHAP', { address: '0.0.0.0', chap: { user: 'u', secret: 's' } }, 'fine'], ['open, and meant', { address: '0.0.0.0', allowOpen: true }, 'fine'],
    ['a bad name', { targetName: 'disk' }, 'E_TARGET_NAME'], ['no secret', { chap: { user: 'u', secret: '' } }, 'E_CHAP_SECRET'],
    ['half of a mutual pair', { chap: { user: 'u', secret: 's', mutualUser: 'm' } }, 'E_CHAP_SECRET'],
    ['one secret for both ways', { chap: { user: 'u', secret: 's', mutualUser: 'm', mutualSecret: 's' } }, 'E_CHAP_SECRET'],
  ])('%s', (_what, more, code) => {
    expect(codeOf(more)).toBe(code)
  })
})
