import fc from 'fast-check'
import { answerTo, decodeAttributes, decodeMessages, encodeAttributes, encodeMessage, eventOf, payload, TCM_VERSION, TcmAttr, TcmCmd, valueOf } from './netlink'

const FAMILY = 0x20
const event = (cmd: number, attributes: readonly (readonly [number, Uint8Array])[], version = TCM_VERSION) =>
  decodeMessages(encodeMessage({ type: FAMILY, flags: 0, seq: 0, cmd, version, attributes })).map(eventOf)[0]
const device = [[TcmAttr.DEVICE, payload.text('tcm-user/1/hand/file//tmp/f.img')], [TcmAttr.MINOR, payload.u32(3)], [TcmAttr.DEVICE_ID, payload.u32(7)]] as const
const known = { name: 'tcm-user/1/hand/file//tmp/f.img', minor: 3, deviceId: 7 }

test('an answer, byte for byte as the kernel takes it', () => {
  const { cmd, attributes } = answerTo('added', 1, -2)
  expect(Buffer.from(encodeMessage({ type: FAMILY, flags: 5, seq: 9, cmd, version: 2, attributes })).toString('hex')).toBe(
    '24000000' + '2000' + '0500' + '09000000' + '00000000' + '04' + '02' + '0000' + '0800' + '0700' + 'feffffff' + '0800' + '0800' + '01000000')
})

test.each([
  ['added', event(TcmCmd.ADDED, device), { kind: 'added', ...known }],
  ['removed', event(TcmCmd.REMOVED, device), { kind: 'removed', ...known }],
  ['a size', event(TcmCmd.RECONFIG, [...device, [TcmAttr.PAD, new Uint8Array(0)], [TcmAttr.DEV_SIZE, payload.u64(2 ** 40)]]), { kind: 'reconfig', ...known, change: { kind: 'size', sizeBytes: 2 ** 40 } }],
  ['a configuration', event(TcmCmd.RECONFIG, [...device, [TcmAttr.DEV_CFG, payload.text('file//x\n')]]), { kind: 'reconfig', ...known, change: { kind: 'config', cfgstring: 'file//x\n' } }],
  ['the cache', event(TcmCmd.RECONFIG, [...device, [TcmAttr.WRITECACHE, payload.u8(0)]]), { kind: 'reconfig', ...known, change: { kind: 'writeCache', on: false } }],
  ['a change we do not know', event(TcmCmd.RECONFIG, device), { kind: 'reconfig', ...known, change: undefined }],
  ['an old kernel', event(TcmCmd.ADDED, device.slice(0, 2), 1), { kind: 'added', ...known, deviceId: undefined }],
  ['no minor', event(TcmCmd.ADDED, [device[0], device[2]]), undefined],
  ['no device id where there must be one', event(TcmCmd.ADDED, device.slice(0, 2)), undefined],
  ['a command of ours', event(TcmCmd.ADDED_DONE, device), undefined],
])('%s', (_, found, wanted) => expect(found).toEqual(wanted))

test('attributes that were put together are taken apart the same', () => {
  const list = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 40 })), { selector: ([type]) => type, maxLength: 12 })
  fc.assert(fc.property(list, (attributes) => {
    expect([...decodeAttributes(encodeAttributes(attributes))].map(([t, p]) => [t, [...p]])).toEqual(attributes.map(([t, p]) => [t, [...p]]))
  }))
})

test('any bytes are decoded without an exception, to no more than was there', () => {
  const message = encodeMessage({ type: FAMILY, flags: 0, seq: 0, cmd: TcmCmd.ADDED, version: 2, attributes: device })
  const broken = fc.tuple(fc.nat(message.length - 1), fc.nat(255), fc.nat(message.length)).map(([at, value, end]) => {
    const bytes = message.slice()
    bytes[at] = value
    return bytes.subarray(0, end)
  })
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), broken), (bytes) => {
    const messages = decodeMessages(bytes)
    expect(messages.length * 16).toBeLessThanOrEqual(bytes.length)
    for (const m of messages) {
      eventOf(m)
      for (const payload of m.attributes.values()) expect(payload.length).toBeLessThan(bytes.length)
    }
  }), { numRuns: 2000 })
})

test('values that are too short are not there', () => {
  const a = new Map([[1, Uint8Array.of(1, 2)], [2, new Uint8Array(0)]])
  expect([valueOf.u32(a, 1), valueOf.u64(a, 1), valueOf.u8(a, 2), valueOf.u16(a, 1), valueOf.u8(a, 3)]).toEqual([undefined, undefined, undefined, 0x201, undefined])
})
