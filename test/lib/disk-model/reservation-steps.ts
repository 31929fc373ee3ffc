import fc from 'fast-check'
import { type Kind, kind } from './kind'
import { type Expected, good, type Model } from './model'
import type { OutParameters } from './registrants'

/** Few keys, so that they meet; zero is no key. */
const key = fc.constantFrom(0, 1, 2, 3)
const type = fc.constantFrom(1, 3, 5, 6, 7, 8, 8, 2)
const always = { conflicts: 'never', whileStopped: true } as const

interface Asked extends OutParameters {
  /** The key that the initiator has, whatever `key` says: most of the time, else little happens. */
  readonly own: boolean
}
const parameters: fc.Arbitrary<Asked> = fc.record({ key, newKey: key, type, own: fc.constantFrom(true, true, true, false) })

/** A service action of PERSISTENT RESERVE OUT. The initiator is known when the command is made up: see `forWhom`. */
const out = (sa: number, run: (m: Model, who: number, p: OutParameters) => Expected): Kind<Asked> => kind<Asked>({
  parameters, use: always,
  send(p) {
    const list = Buffer.alloc(24)
    list.writeUInt32BE(p.key, 4)
    list.writeUInt32BE(p.newKey, 12)
    const c = Buffer.alloc(10)
    c[0] = 0x5f
    c[1] = sa
    c[2] = p.type
    c.writeUInt32BE(list.length, 5)
    return { cdb: c, out: list }
  },
  expect: (p, m, _sent, who) => run(m, who, p),
})

function prIn(sa: number, data: (m: Model) => Buffer): Kind<object> {
  return kind({
    parameters: fc.constant({}), use: always,
    send: () => ({ cdb: Buffer.from([0x5e, sa, 0, 0, 0, 0, 0, 1, 0, 0]), in: 256 }),
    expect: (_p, m) => good(data(m)),
  })
}

/** `p` with the key that initiator `who` has, where it is meant to have it. */
export function forWhom(p: unknown, m: Model, who: number): unknown {
  const asked = p as Partial<Asked>
  return asked.own === true ? { ...asked, key: m.registrants.keys.get(who) ?? 0 } : p
}

export const reservationKinds: Readonly<Record<string, Kind<any>>> = { // eslint-disable-line @typescript-eslint/no-explicit-any
  register: out(0, (m, who, p) => m.registrants.register(who, p, false)),
  reserve: out(1, (m, who, p) => m.registrants.reserve(who, p)),
  release: out(2, (m, who, p) => m.registrants.release(who, p)),
  clear: out(3, (m, who, p) => m.registrants.clear(who, p)),
  preempt: out(4, (m, who, p) => m.registrants.preempt(who, p)),
  preemptAndAbort: out(5, (m, who, p) => m.registrants.preempt(who, p)),
  registerAndIgnore: out(6, (m, who, p) => m.registrants.register(who, p, true)),
  readKeys: prIn(0, (m) => m.registrants.readKeys()),
  readReservation: prIn(1, (m) => m.registrants.readReservation()),
}
