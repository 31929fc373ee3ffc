import type { BlocksHandler } from '@tcmu/host/handler'
import { type LogicalUnit, type LunExtension, type Nexus, Status } from '@tcmu/host/scsi'
import { cdb, copyListLid1, copyListLid4, copySegment, cscd, directly, Initiator, ramHandler, testDevice, type TestDeviceOptions } from '@tcmu/host/testing'
import type { DeviceRuntime } from '../../packages/host/src/device'

export interface Unit {
  readonly device: DeviceRuntime
  readonly memory: Uint8Array
  readonly serial: string
  /** Of the nexus that all units of a test share. */
  readonly initiator: Initiator
}

export interface UnitOptions extends TestDeviceOptions {
  readonly handler?: Partial<BlocksHandler<Uint8Array>>
  readonly extension?: Omit<LunExtension, 'name'>
}

/** Logical units of one front end: each finds the others, for the nexuses that `sees` lets. */
export async function units(options: readonly UnitOptions[], sees: (nexus: Nexus, i: number) => boolean = () => true): Promise<Unit[]> {
  const nexus: Nexus = { name: 'copier' }
  const all: Unit[] = []
  for (const [i, { handler = {}, extension = {}, ...spec }] of options.entries()) {
    let memory = new Uint8Array(0)
    const serial = `1000${i}`
    const device = await testDevice(
      { ...ramHandler, ...handler, open: (dev) => (memory = new Uint8Array(dev.sizeBytes)) } as BlocksHandler<Uint8Array>,
      { name: `unit${i}`, serial, sizeBytes: 1 << 20, ...spec },
    )
    const visible = (n: Nexus): LogicalUnit[] => all.filter((_u, at) => sees(n, at)).map((u) => u.device)
    device.extend({ name: 'front end', units: visible, ...extension })
    all.push({ device, memory, serial, initiator: new Initiator(directly(device, { nexus }), device.blockSize) })
    nexuses.set(all[i], nexus)
  }
  return all
}

const nexuses = new WeakMap<Unit, Nexus>()
/** The nexus that all units of a test share. */
export const nexusOf = (all: readonly Unit[]): Nexus => nexuses.get(all[0])!

type Segment = Parameters<typeof copySegment>[0]
type Answer = ReturnType<Initiator['send']>

export const sendLid1 = (initiator: Initiator, list: Uint8Array): Answer =>
  initiator.send(cdb.extendedCopyLid1({ listLength: list.length }), list.length ? { dataOut: list } : {})
export const sendLid4 = (initiator: Initiator, list: Uint8Array): Answer => initiator.send(cdb.extendedCopyLid4({ listLength: list.length }), { dataOut: list })

/** EXTENDED COPY to the first unit, between the units in order; no list identifier. */
export const copyBetween = (all: readonly Unit[], ...segments: Segment[]): Answer =>
  sendLid1(all[0].initiator, copyListLid1(all.map((u) => cscd(u.serial)), segments.map(copySegment), { listIdUsage: 3 }))
export const copyBetween4 = (all: readonly Unit[], fields: Parameters<typeof copyListLid4>[2], ...segments: Segment[]): Answer =>
  sendLid4(all[0].initiator, copyListLid4(all.map((u) => cscd(u.serial)), segments.map(copySegment), fields))

/** Reads or writes that wait, to look at what happens meanwhile. */
export function gated(operation: 'read' | 'write'): { handler: Partial<BlocksHandler<Uint8Array>>; waiting: (() => void)[]; begun: () => Promise<void>; open: () => void } {
  const waiting: (() => void)[] = []
  let closed = true
  const wait = (): Promise<void> | undefined => (closed ? new Promise((go) => waiting.push(go)) : undefined)
  return {
    waiting,
    handler: { [operation]: async (ram: Uint8Array, io: never) => { await wait(); await ramHandler[operation](ram, io); return Status.OK } },
    begun: async () => {
      while (waiting.length === 0) await new Promise((r) => setImmediate(r))
    },
    open: () => {
      closed = false
      for (const go of waiting.splice(0)) go()
    },
  }
}
