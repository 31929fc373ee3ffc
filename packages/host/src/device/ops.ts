import { SyncBailHook } from 'tapable'
import { direct, type DirectName } from '../filter/apply'
import type { Answer, BlocksHandler, CommandsHandler, DeviceProperties } from '../handler/types'
import type { Abilities, AbilityName, BlockIo, BlockOps, BlockRange, Extent, Result, Space } from '../scsi'
import { Status } from '../scsi/status'
import { isThenable } from './fault'

/** Where filters tap in: each callback of a blocks handler, before it. */
export interface OpHooks {
  readonly read: SyncBailHook<[BlockIo], Result | undefined>
  readonly write: SyncBailHook<[BlockIo], Result | undefined>
}

export const opHooks = (): OpHooks =>
  Object.freeze({ read: new SyncBailHook<[BlockIo], Result | undefined>(['io']), write: new SyncBailHook<[BlockIo], Result | undefined>(['io']) })

const settled = (value: void | Status): Status => (value === undefined ? Status.OK : value)

/** What a callback gave back, as a Result: nothing is OK. */
function answer(value: Answer): Result {
  if (typeof value === 'number') return value
  if (value === undefined) return Status.OK
  if (!isThenable(value)) throw new TypeError(`the handler answered with ${value === null ? 'null' : typeof value}, not with a status`)
  return Promise.resolve(value).then(settled)
}

const extentStates: ReadonlySet<unknown> = new Set<Extent['state']>(['mapped', 'deallocated', 'anchored'])
const isExtent = (e: Partial<Extent> | null | undefined): boolean => Number.isSafeInteger(e?.offset) && Number.isSafeInteger(e?.length) && extentStates.has(e?.state)

function extentsIn(value: readonly Extent[]): readonly Extent[] {
  const isList = Array.isArray(value as unknown)
  if (isList && value.every(isExtent)) return value
  throw new TypeError(`the handler answered with ${isList ? 'other things' : typeof value}, not with a list of extents`)
}

/** A hook with one tap is that tap; with more it is the compiled chain. Looked at when it is first called: filters tap until then. */
function flatten<A>(hook: SyncBailHook<[A], Result | undefined>): (arg: A) => Result {
  let chosen: ((arg: A) => Result) | undefined
  return (arg) => (chosen ??= choose(hook))(arg)
}
function choose<A>(hook: SyncBailHook<[A], Result | undefined>): (arg: A) => Result {
  if (hook.taps.length === 1) return (hook.taps[0] as unknown as { fn: (arg: A) => Result }).fn
  return (arg) => hook.call(arg) ?? Status.NOT_HANDLED
}

/** The medium as the generic layer uses it: the handler's callbacks behind their filters, bare where no filter touches them. */
export function wireOps<S>(handler: BlocksHandler<S>, backend: { readonly state: S }, hooks: OpHooks): BlockOps {
  const [read, write] = [direct(handler, 'read'), direct(handler, 'write')]
  const [r, w] = [read.handler, write.handler]
  const chain = backend as { readonly state: { readonly bottom: S } }
  // Call sites of their own for what is called most: one that all share is not inlined, which costs a tenth of a command.
  hooks.read.tap({ name: handler.subtype, stage: 100 }, read.past ? (io) => answer(r.read(chain.state.bottom, io)) : (io) => answer(r.read(backend.state, io)))
  hooks.write.tap({ name: handler.subtype, stage: 100 }, write.past ? (io) => answer(w.write(chain.state.bottom, io)) : (io) => answer(w.write(backend.state, io)))
  const has = <A, R>(name: DirectName): ((argument: A) => R) | undefined => {
    if (!handler[name]) return undefined
    const { handler: own, past } = direct(handler, name)
    const members = own as unknown as Readonly<Record<string, (state: S, argument: A) => R>>
    return (argument) => members[name]!(past ? chain.state.bottom : backend.state, argument)
  }
  const op = <A>(name: DirectName): ((argument: A) => Result) | undefined => {
    const call = has<A, Answer>(name)
    return call && ((argument) => answer(call(argument)))
  }
  const flush = op<void>('flush')
  const extents = has<BlockRange, readonly Extent[] | Promise<readonly Extent[]>>('extents')
  return {
    read: flatten(hooks.read), write: flatten(hooks.write),
    ...present({
      flush: flush && (() => flush()), unmap: op<BlockRange>('unmap'), writeSame: op<BlockIo>('writeSame'), compareAndWrite: op<BlockIo>('compareAndWrite'),
      extents: extents && (async (range: BlockRange) => extentsIn(await extents(range))), space: has<void, Space | Promise<Space>>('space'),
    }),
  }
}
const present = <T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> }

/** What changes the medium, followed by a flush: what WCE=0 means for a handler that caches (SBC-3 6.5.5). */
export function writeThrough(ops: BlockOps): BlockOps {
  if (!ops.flush) return ops
  const durable = <A extends { readonly signal: AbortSignal }>(op: (arg: A) => Result) => async (arg: A): Promise<Status> => {
    const status = await op(arg)
    return status === Status.OK ? ops.flush!(arg.signal) : status
  }
  return {
    ...ops,
    write: durable((io: BlockIo) => ops.write(io)),
    ...(ops.writeSame && { writeSame: durable((io: BlockIo) => ops.writeSame!(io)) }),
    ...(ops.unmap && { unmap: durable((range: BlockRange) => ops.unmap!(range)) }),
    ...(ops.compareAndWrite && { compareAndWrite: durable((io: BlockIo) => ops.compareAndWrite!(io)) }),
  }
}

/**
 * What can be done, read off the handler, less what this device was declared to lack: the same answer for dispatch, VPD
 * pages and mode pages.
 */
export function abilitiesOf(handler: BlocksHandler, properties: DeviceProperties = {}, thick = false): Abilities {
  const has = without(read(handler, properties), properties.lacking ?? [])
  if (!thick) return has
  return properties.reserved ? { ...has, unmap: 'emulate', space: 'none' } : without(has, thickLacks)
}

/** What a thick device lacks whose storage is not known to be reserved, whatever its handler can. */
const thickLacks: readonly AbilityName[] = ['unmap', 'extents', 'space']

const without = (has: Abilities, lacking: readonly AbilityName[]): Abilities =>
  Object.fromEntries(Object.entries(has).map(([name, a]) => [name, lacking.includes(name as AbilityName) ? 'none' : a])) as unknown as Abilities

function read(handler: BlocksHandler, p: DeviceProperties): Abilities {
  return {
    flush: handler.flush ? 'native' : 'emulate',
    fua: handler.fua === 'native' ? 'native' : 'emulate',
    unmap: handler.unmap ? 'native' : 'none',
    writeSame: handler.writeSame ? 'native' : 'emulate',
    compareAndWrite: handler.compareAndWrite ? 'native' : 'emulate',
    extents: handler.extents ? 'native' : 'none',
    format: 'emulate',
    sanitize: p.sanitize ? 'emulate' : 'none',
    writeAtomic: p.maxAtomicBlocks ? 'native' : 'none',
    extendedCopy: 'emulate',
    space: handler.space ? 'native' : 'none',
  }
}

/** The medium that a commands handler gives for rows it borrows, whichever state is the present one. */
export function wireMedium(handler: CommandsHandler, backend: { readonly state: unknown }): BlockOps | undefined {
  if (!handler.medium) return undefined
  const now = (): BlockOps => handler.medium!(backend.state)
  const has = now()
  return {
    read: (io) => now().read(io), write: (io) => now().write(io),
    ...(has.flush && { flush: (signal) => now().flush!(signal) }), ...(has.unmap && { unmap: (range) => now().unmap!(range) }),
    ...(has.writeSame && { writeSame: (io) => now().writeSame!(io) }), ...(has.compareAndWrite && { compareAndWrite: (io) => now().compareAndWrite!(io) }),
    ...(has.extents && { extents: (range) => now().extents!(range) }),
  }
}

/** The same for rows that a commands handler borrows, over the medium it gives. */
export function abilitiesOfMedium(ops: BlockOps, lacking: readonly AbilityName[] = []): Abilities {
  const has: Abilities = {
    flush: ops.flush ? 'native' : 'emulate', fua: 'emulate', unmap: ops.unmap ? 'native' : 'none',
    writeSame: ops.writeSame ? 'native' : 'emulate', compareAndWrite: ops.compareAndWrite ? 'native' : 'emulate', extents: ops.extents ? 'native' : 'none',
    format: 'none', sanitize: 'none', writeAtomic: 'none', extendedCopy: 'none', space: 'none',
  }
  return without(has, lacking)
}

/** The medium of a handler that owns its command set: the host never asks for it. */
export const noOps: BlockOps = { read: () => Status.INVALID_CMD, write: () => Status.INVALID_CMD }

export const noAbilities: Abilities = {
  flush: 'none', fua: 'none', unmap: 'none', writeSame: 'none', compareAndWrite: 'none', extents: 'none', format: 'none',
  sanitize: 'none', writeAtomic: 'none', extendedCopy: 'none', space: 'none',
}
