import { type BlocksHandler, type Change, defineHandler, handlerMembers, Status } from '../handler'
import { expectGood, fileIo, initiatorOf, LogLines, ramHandler, testDevice } from '../testing'
import { direct, filtersOf, past } from './apply'
import { checkFilter, defineFilter, type Filter, filtered as callbacks, type FilterUse, withFilters } from '.'

const use = (filter: Filter, options: unknown = {}): FilterUse => ({ filter, options })
const named = (name: string, more: Partial<Filter> = {}): Filter => defineFilter({ name, summary: 'of a test', ...more } as Filter)
const idle = (name: string): FilterUse => use(named(name))
const block = (byte: number, n = 1): Uint8Array => new Uint8Array(512 * n).fill(byte)

describe('what no filter touches is the handler\'s own', () => {
  const flushes = use(named('flushes', { flush: () => Status.OK }))
  const reads = use(named('reads', { read: (_, io, next) => next.read(io) }))
  const filtered = withFilters(ramHandler, [idle('a'), flushes, idle('b')]) as BlocksHandler<unknown>

  test.each(['read', 'write', 'unmap'] as const)('%s', (name) => {
    const { handler, past } = direct(filtered, name)
    expect([handler[name], past]).toEqual([ramHandler[name], true])
    expect(handler).toBe(ramHandler)
  })
  test('and what one touches is not', () => {
    expect(direct(filtered, 'flush')).toEqual({ handler: filtered, past: false })
    expect(filtersOf(filtered)!.routes).toEqual({ read: ['ram'], write: ['ram'], flush: ['flushes', 'ram'], unmap: ['ram'] })
  })

  /** Files of the host that are on the way from a command to `read`. */
  async function wayTo(uses: readonly FilterUse[]): Promise<string[]> {
    let stack = ''
    const handler: BlocksHandler<unknown> = { ...ramHandler, read: (ram, io) => ((stack = new Error().stack!), ramHandler.read(ram as never, io)) }
    const device = await testDevice(withFilters(handler, uses))
    expectGood(await initiatorOf(device).read({ lba: 0, blocks: 1 }))
    await device.close(1000)
    return [...stack.matchAll(/\/src\/(\w+)\/([\w-]+)\.ts/g)].map((m) => `${m[1]}/${m[2]}`)
  }
  test('the way of a command to the handler is the same with three filters that do nothing to it as with none', async () => {
    const bare = await wayTo([])
    expect(bare).toContain('device/ops')
    expect(await wayTo([idle('a'), flushes, idle('b')])).toEqual(bare)
    expect((await wayTo([idle('a'), reads, idle('b')])).filter((f) => f.startsWith('filter/'))).not.toEqual([])
  })
})

test('filters are asked from the first to the last, opened and closed the other way round', async () => {
  const seen: string[] = []
  const telling = (name: string): FilterUse => use(named(name, {
    open: ({ options, next }) => {
      seen.push(`+${name} over ${Object.keys(next).join()}`)
      return options
    },
    close: () => void seen.push(`-${name}`), write: (_, io, next) => (seen.push(name), next.write(io)),
  }))
  const handler: BlocksHandler = { subtype: 'bare', open: () => void seen.push('+bare'), close: () => void seen.push('-bare'), read: () => {}, write: () => void seen.push('bare') }
  const device = await testDevice(withFilters(handler, [telling('a'), use(named('x', { provides: ['flush'], flush: () => Status.OK })), telling('b')]))
  await initiatorOf(device).write(0, block(1))
  await device.close(1000)
  expect(seen.filter((s) => s !== 'x')).toEqual(['+bare', '+b over read,write', '+a over read,write,flush', 'a', 'b', 'bare', '-a', '-b', '-bare'])
})

test('when a filter does not open, what is behind it is closed, and so is a device of others afterwards', async () => {
  const closed: string[] = []
  const closing = (name: string, open?: () => never): FilterUse => use(named(name, { ...(open && { open }), close: () => void closed.push(name) }))
  const handler: BlocksHandler = { ...ramHandler, close: () => void closed.push('ram') }
  const no = (): never => {
    throw new Error('no')
  }
  await expect(testDevice(withFilters(handler, [closing('a'), closing('b', no), closing('c')]))).rejects.toThrow('no')
  expect(closed).toEqual(['c', 'ram'])
})

test('all is closed whatever throws, and the first that threw is heard', async () => {
  const closed: string[] = []
  const handler = { ...ramHandler, close: () => void closed.push('ram') }
  const device = await testDevice(withFilters(handler, [use(named('a', { close: () => Promise.reject(new Error('first')) })), use(named('b', { close: () => void closed.push('b') }))]))
  await expect(device.close(1000)).rejects.toThrow('first')
  expect(closed).toEqual(['b', 'ram'])
})

test('locks, storage counts and what else no filter sees pass it with the state of the handler', async () => {
  const calls: unknown[][] = []
  const own = (name: string) => (...args: unknown[]): never => (calls.push([name, ...args]), Status.OK as never)
  const handler: BlocksHandler<string> = {
    subtype: 'lock', open: () => 'state', read: () => {}, write: () => {}, lock: own('lock'), unlock: own('unlock'), getLockState: own('getLockState'), getLockTag: own('getLockTag'),
    nexusLost: own('nexusLost'), reset: own('reset'), space: own('space'),
  }
  const filtered = withFilters(handler, [idle('a')]) as BlocksHandler<never>
  const chain = (await filtered.open({ sizeBytes: 0, declare: () => {}, report: () => {}, log: new LogLines(), io: fileIo() } as never)) as never
  for (const name of ['lock', 'unlock', 'getLockState', 'getLockTag', 'nexusLost', 'reset', 'space'] as const) (filtered[name] as (...args: unknown[]) => unknown)(chain, 7)
  expect(calls).toEqual(['lock', 'unlock', 'getLockState', 'getLockTag', 'nexusLost', 'reset', 'space'].map((name) => [name, 'state', 7]))
})

test('no member of a handler is lost behind filters for want of having been thought of', () => {
  const made = ['subtype', 'summary', 'checkConfig', 'open', 'close', 'reconfigure', 'fua']
  const refused = ['handleCmd']
  // Asked of the handler itself where no filter touches `read` and `write` (device/direct).
  const bare = ['file', 'locate']
  expect(Object.keys(handlerMembers.blocks).sort()).toEqual([...callbacks, ...past, ...made, ...refused, ...bare].sort())
})

describe('sizes', () => {
  const half: Filter = named('half', { sizeBehind: (bytes) => bytes * 2, sizeHere: (bytes) => Math.min(4096, bytes / 2) })
  const sized = (changes: Change[]): BlocksHandler => defineHandler({
    subtype: 'sized', read: () => {}, write: () => {},
    open: (dev) => void changes.push({ kind: 'size', sizeBytes: dev.sizeBytes }),
    reconfigure: (_state, change) => void changes.push(change),
  })
  test('are asked for behind a filter as it says, and refused where it cannot have them', async () => {
    const changes: Change[] = []
    const told: number[] = []
    const listens = use(named('listens', { resized: (_, bytes) => void told.push(bytes) }))
    const device = await testDevice(withFilters(sized(changes), [use(half), listens]), { sizeBytes: 2048 })
    expect(await device.reconfigure({ kind: 'size', sizeBytes: 4096 })).toBe(Status.OK)
    expect(await device.reconfigure({ kind: 'size', sizeBytes: 8192 })).toBe(Status.NOT_HANDLED)
    expect([device.blocks, changes, told]).toEqual([8, [{ kind: 'size', sizeBytes: 4096 }, { kind: 'size', sizeBytes: 8192 }], [8192]])
    await expect(testDevice(withFilters(sized([]), [use(half)]), { sizeBytes: 8192 })).rejects.toThrow(/E_FILTER: filter half: the device cannot have 8192 bytes with these options, only 4096/)
  })
  test('stay as they are before a filter that keeps its size', async () => {
    let resized: (bytes: number) => void = () => undefined
    const handler: BlocksHandler = { ...ramHandler, open: (dev) => ((resized = (bytes) => dev.resized(bytes)), new Uint8Array(dev.sizeBytes)), reconfigure: () => Status.OK }
    const log = new LogLines()
    const device = await testDevice(withFilters(handler, [use(named('fixed', { fixedSize: true }))]), { log })
    resized(4096)
    expect([device.blocks, await device.reconfigure({ kind: 'size', sizeBytes: 4096 })]).toEqual([2048, Status.NOT_HANDLED])
    expect(log.lines).toEqual([expect.stringMatching(/4096 bytes are behind the filter fixed now/)])
  })
})

test('what filters declare is said from the handler outwards, with the block size that the handler found', async () => {
  const seen: unknown[] = []
  const handler: BlocksHandler = { ...ramHandler, open: (dev) => (dev.declare({ blockSize: 4096, maxAtomicBlocks: 4 }), dev.declare({ product: 'inner' }), new Uint8Array(dev.sizeBytes)) }
  const says = (name: string): FilterUse => use(named(name, { declare: (p) => (seen.push([name, p]), { ...p, product: `${name}(${p.product})` }), open: ({ blockSize }) => void seen.push(blockSize) }))
  const device = await testDevice(withFilters(handler, [says('a'), says('b')]))
  expect([device.identity.product, device.blockSize]).toEqual(['a(b(inner))', 4096])
  expect(seen).toEqual([['b', { blockSize: 4096, maxAtomicBlocks: 4, product: 'inner' }], ['a', expect.objectContaining({ product: 'b(inner)' })], 4096, 4096])
})

test('a cache that a filter has is not switched off in the handler behind it', async () => {
  const changes: Change[] = []
  const handler = { ...ramHandler, reconfigure: (_: unknown, change: Change) => void changes.push(change) } as BlocksHandler
  const device = await testDevice(withFilters(handler, [use(named('caches', { provides: ['flush'], flush: () => Status.OK }))]))
  expect([await device.setWriteCache(false), changes]).toEqual([Status.OK, []])
})

test.each([
  [null, /a filter is an object/], [{ name: 'x' }, /`summary` is missing/], [{ name: 'X', summary: 'x' }, /`name` is not what it must be/],
  [{ name: 'x', summary: 'x', raed: () => 0 }, /`raed` is no member/], [{ name: 'x', summary: 'x', constructor: 1 }, /`constructor` is no member/],
  [{ name: 'x', summary: 'x', without: ['read'] }, /`without` is not what/], [{ name: 'x', summary: 'x', provides: ['flush'] }, /provides `flush` and has none/],
])('%j is no filter', (value, reason) => expect(() => checkFilter(value)).toThrow(reason))
