import type { BlockIo, BlocksHandler, Status } from '../../handler'
import { ramHandler } from './ram'

const but = (change: Partial<BlocksHandler<Uint8Array>>): BlocksHandler<Uint8Array> => Object.freeze({ ...ramHandler, ...change })

/** Handlers with one bug each, by what they do. The host must survive all of them. */
export const misbehaving = {
  /** Throws something that is no Error. */
  throwsText: () => but({ read: () => { throw 'no reason' } }), // eslint-disable-line @typescript-eslint/only-throw-error
  rejectsNothing: () => but({ read: () => Promise.reject() }), // eslint-disable-line @typescript-eslint/prefer-promise-reject-errors
  /** A TypeError of its own. */
  crashes: () => but({ read: () => (undefined as unknown as { x: () => Status }).x() }),
  answersText: () => but({ read: () => 'fine' as unknown as Status }),
  answersUnknownStatus: () => but({ read: () => 4711 as Status }),
  answersObject: () => but({ read: () => Promise.resolve({}) as unknown as Promise<Status> }),
  /** Reports success with half of the data filled in. */
  fillsHalf: () => but({ read: (ram, io) => void io.data.set(ram.subarray(io.offset, io.offset + io.length / 2)) }),
  /** Ends when its signal is aborted, not before. */
  neverSettles: () => but({ read: (_ram, io) => new Promise((_resolve, reject) => io.signal.addEventListener('abort', () => reject(new Error('aborted')))) }),
  /** Ignores its signal too. */
  hangs: () => but({ read: () => new Promise(() => {}) }),
  /** Uses the data of a command that is over; `errors` gets what the host throws at it. */
  writesAfterwards: (errors: unknown[]) => but({ read: (ram, io) => laterToo(ram, io, errors) }),
  /** Leaves I/O under way (as an engine counts it) when it says it is done; `done` ends that I/O. */
  leavesPinned: (pinned: { done: () => void }[]) => but({
    read: (_ram, io) => {
      const { pinned: root } = io.data
      root.pins++
      pinned.push({ done: () => void root.pins-- })
    },
  }),
} as const

function laterToo(ram: Uint8Array, io: BlockIo, errors: unknown[]): void {
  const { data, offset } = io
  data.set(ram.subarray(offset, offset + io.length))
  setTimeout(() => {
    try {
      data.set(ram)
    } catch (e) {
      errors.push(e)
    }
  }, 5)
}
