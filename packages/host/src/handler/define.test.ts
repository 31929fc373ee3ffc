import fc from 'fast-check'
import { TcmuError } from '../errors'
import { checkHandler, defineHandler, type DeviceInfo, shapeOf, Status } from '.'

const blocks = { subtype: 'ram', open: (): number => 1, read: (): Status => Status.OK, write: (): Status => Status.OK }
const commands = { subtype: 'raw', open: (): number => 1, handleCmd: () => Status.OK }
const memberOf = (make: () => unknown): unknown => {
  try {
    make()
  } catch (e) {
    if (e instanceof TcmuError && e.code === 'E_HANDLER_SHAPE') return e.facts.member ?? 'whole'
    throw e
  }
  return undefined
}

test('a definition comes back frozen, the same object', () => {
  const definition = { ...blocks }
  expect(defineHandler(definition)).toBe(definition)
  expect(Object.isFrozen(definition)).toBe(true)
})

test('the type of the state is what open returns, that of the options what open takes', () => {
  const handler = defineHandler({
    subtype: 'ram',
    open: async (dev: DeviceInfo<{ level: number }>) => ({ bytes: new Uint8Array(dev.sizeBytes), level: dev.options?.level }),
    checkConfig: (_config, options) => options === undefined || options.level < 10 || 'level is below 10',
    // These bodies compile only when the state is inferred.
    read: (ram, io) => void io.data.set(ram.bytes.subarray(io.offset, io.offset + io.length)),
    write: (ram, io) => void io.data.copyTo(ram.bytes.subarray(io.offset, io.offset + io.length)),
    flush: (ram) => (ram.level === 1 ? Status.OK : Status.NOT_HANDLED),
  })
  expect(handler.flush!({ bytes: new Uint8Array(1), level: 1 })).toBe(Status.OK)
  // @ts-expect-error the state has no such member
  defineHandler({ ...blocks, open: () => ({ a: 1 }), flush: (s) => void s.b })
})

test.each([
  ['blocks', blocks], ['commands', commands], ['blocks', { ...blocks, ...commands }],
] as const)('shape %s', (shape, definition) => {
  expect(shapeOf(definition)).toBe(shape)
  expect(checkHandler(definition)).toBe(definition)
})

test.each([
  ['subtype', { ...blocks, subtype: undefined }],
  ['subtype', { ...blocks, subtype: 'my-handler' }],
  ['subtype', { ...blocks, subtype: '' }],
  ['subtype', { ...blocks, subtype: 'x'.repeat(65) }],
  ['subtype', { ...blocks, subtype: 'HandlerManager1' }],
  ['read', { subtype: 'a', open: (): number => 1 }],
  ['write', { ...blocks, write: undefined }],
  ['read', { subtype: 'a', open: (): number => 1, write: (): number => 0 }],
  ['open', { ...blocks, open: undefined }],
  ['open', { ...commands, open: 'yes' }],
  ['flush', { ...blocks, flush: true }],
  ['fua', { ...blocks, fua: 'always' }],
  ['deviceType', { ...commands, deviceType: 32 }],
  ['commands', { ...commands, commands: {} }],
  ['flsuh', { ...blocks, flsuh: () => 0 }],
  ['extents', { ...commands, extents: 1 }],
  ['whole', null], ['whole', 'handler'], ['whole', undefined],
])('a wrong %s is named', (member, definition) => {
  expect(memberOf(() => defineHandler(definition as never))).toBe(member)
})

test('the host leaves members it does not know alone: a handler may be newer', () => {
  expect(memberOf(() => checkHandler({ ...blocks, later: 1 }))).toBeUndefined()
})

test('any value is a handler or a typed refusal', () => {
  const names = fc.constantFrom('subtype', 'open', 'read', 'write', 'handleCmd', 'fua', 'commands', 'deviceType', 'flush')
  const value = fc.oneof(fc.anything(), fc.constant(() => 0), fc.constant('ram'))
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.dictionary(names, value)), (definition) => {
    expect([undefined, 'whole', ...Object.keys(Object(definition) as object), 'subtype', 'open', 'read', 'write', 'handleCmd'])
      .toContain(memberOf(() => checkHandler(definition)))
  }))
})
