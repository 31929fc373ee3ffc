import { bits, bytes, layout, skip, u16be, u32be, u8 } from '../../../packages/host/src/wire'

// SPC-2 clauses 7.23 and 7.27, SPC-4 clauses 6.15 and 6.16.
const Plain6 = layout('reserve6', { op: u8, r1: skip(4), control: u8 }, { size: 6 })
export const reserve6 = (): Uint8Array => Plain6.encode({ op: 0x16 })
export const release6 = (): Uint8Array => Plain6.encode({ op: 0x17 })

const In = layout('pr_in', { op: u8, action: bits(u8, { serviceAction: [4, 0] }), r1: skip(5), allocation: u16be, control: u8 }, { size: 10 })
export const prIn = { keys: 0, reservation: 1, capabilities: 2, fullStatus: 3 } as const
export const persistentReserveIn = (serviceAction: number, allocation: number): Uint8Array => In.encode({ op: 0x5e, serviceAction, allocation })

const Out = layout('pr_out', {
  op: u8, action: bits(u8, { serviceAction: [4, 0] }), type: bits(u8, { scope: [7, 4], kind: [3, 0] }), r1: skip(2), length: u32be, control: u8,
}, { size: 10 })
const List = layout('pr_out_list', { key: bytes(8), serviceKey: bytes(8), r1: skip(4), flags: bits(u8, { aptpl: 0 }), r2: skip(3) }, { size: 24 })
export const prOut = { register: 0, reserve: 1, release: 2, clear: 3, preempt: 4, preemptAndAbort: 5, registerAndIgnore: 6 } as const
export const prType = { writeExclusive: 1, exclusiveAccess: 3, writeExclusiveRegistrants: 5 } as const

const key = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, n)
/** A PERSISTENT RESERVE OUT command and its parameter list. */
export const persistentReserveOut = (serviceAction: number, keys: { key?: number; serviceKey?: number; kind?: number }): { cdb: Uint8Array; out: Buffer } => ({
  cdb: Out.encode({ op: 0x5f, serviceAction, kind: keys.kind ?? 0, length: List.size }),
  out: Buffer.from(List.encode({ key: key(keys.key ?? 0), serviceKey: key(keys.serviceKey ?? 0) })),
})
