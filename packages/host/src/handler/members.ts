import type { HandlerShape } from './manifest'
import type { BlocksHandler, CommandsHandler } from './types'

export type MemberKind = 'string' | 'function' | 'deviceType' | 'rows' | 'fua'

/** One member of a definition: what it must be, and what the documentation says of it. */
export interface Member {
  readonly kind: MemberKind
  readonly required?: true
  /** How it is written. */
  readonly form: string
  /** When it is called, or what it means. */
  readonly when: string
  /** What its absence means. */
  readonly absent?: string
  /** It may return a promise. */
  readonly later?: true
}
export type Members = Readonly<Record<string, Member>>

const common = {
  subtype: { kind: 'string', required: true, form: 'text', when: 'First part of the cfgstring; as in the manifest.' },
  summary: { kind: 'string', form: 'text', when: 'One sentence for people.' },
  checkConfig: {
    kind: 'function', later: true, form: 'checkConfig(config, options)',
    when: 'Before each `open`, and by `tcmu-host check`. True, or a sentence that says what is wrong. It changes nothing.', absent: 'every configuration is taken',
  },
  open: {
    kind: 'function', required: true, later: true, form: 'open(dev)',
    when: 'Once for each device. What it returns is the first argument of everything else. It throws to refuse; `dev` is a `DeviceInfo`.',
  },
  close: { kind: 'function', later: true, form: 'close(state)', when: 'Once, when no command is under way any more.', absent: 'there is nothing to close' },
  reconfigure: {
    kind: 'function', later: true, form: 'reconfigure(state, change)',
    when: 'The administrator changes size, configuration or write cache while commands run. NOT_HANDLED refuses.', absent: 'the change is refused',
  },
  handleCmd: {
    kind: 'function', later: true, form: 'handleCmd(state, task, lun)',
    when: 'For each command, before anything else looks at it. NOT_HANDLED, returned at once and not by a promise, passes the command on.',
    absent: 'the host answers every command',
  },
  file: {
    kind: 'function', form: 'file(state)',
    when: 'Once for each `open`. The `IoFile` or `IoImage` whose bytes are the medium: the host moves those of whole READs and WRITEs itself, with `sync` for `io.fua`.',
    absent: '`read` and `write` are called for everything',
  },
  locate: {
    kind: 'function', form: 'locate(state, offset, length, write)',
    when: 'Before the host moves something by `file`: where in it that stretch begins, all of it in one piece; -1 has `read` or `write` called.',
    absent: 'bytes of the medium are at the same place in the file',
  },
  nexusLost: { kind: 'function', form: 'nexusLost(state, nexus)', when: 'An initiator has gone. Never asked by a kernel that does not tell.', absent: 'nothing is kept for initiators' },
  reset: { kind: 'function', form: 'reset(state)', when: 'LOGICAL UNIT RESET, after commands were aborted.', absent: 'nothing is set by initiators' },
} as const satisfies Members

export const blocksMembers: Record<keyof BlocksHandler, Member> = {
  ...common,
  read: { kind: 'function', required: true, later: true, form: 'read(state, io)', when: 'Fill `io.data` (`io.length` bytes) from byte `io.offset` of the medium.' },
  write: { kind: 'function', required: true, later: true, form: 'write(state, io)', when: 'Put `io.data` at byte `io.offset` of the medium.' },
  flush: {
    kind: 'function', later: true, form: 'flush(state)', when: 'Everything acknowledged before is on the medium when it settles.',
    absent: 'writes are on the medium when they settle; the device says it has no write cache',
  },
  unmap: { kind: 'function', later: true, form: 'unmap(state, range)', when: 'The range is not needed any more.', absent: 'the device is not thinly provisioned' },
  writeSame: { kind: 'function', later: true, form: 'writeSame(state, io)', when: 'Repeat `io.data`, one block, over `io.length` bytes.', absent: 'the host writes the blocks' },
  compareAndWrite: {
    kind: 'function', later: true, form: 'compareAndWrite(state, io)',
    when: '`io.data` is what must be there, then what is to be written, `io.length` bytes each; atomic. MISCOMPARE when it differs.',
    absent: 'the host reads, compares and writes, with the range to itself',
  },
  extents: { kind: 'function', later: true, form: 'extents(state, range)', when: 'Which parts of a range have storage behind them.', absent: 'GET LBA STATUS does not exist' },
  space: { kind: 'function', later: true, form: 'space(state)', when: 'How many bytes of storage are used and how many are left.', absent: 'there are no thresholds of thin provisioning' },
  lock: {
    kind: 'function', later: true, form: 'lock(state, tag)',
    when: 'Before the first write of a device whose port groups have access states, and for SET TARGET PORT GROUPS: take the exclusive lock, from whoever has it. FENCED: opened again and tried once more. TIMEOUT: recovery.',
    absent: 'commands are let through without one',
  },
  unlock: { kind: 'function', later: true, form: 'unlock(state)', when: 'Give the lock back: the port group goes to standby, or the device closes.', absent: 'closing gives it back' },
  getLockState: {
    kind: 'function', later: true, form: 'getLockState(state)', when: "`'locked'`, `'unlocked'` or `'unknown'`: whether this host still has the lock.",
    absent: 'the host believes what it did last, and `lock-lost`',
  },
  getLockTag: {
    kind: 'function', later: true, form: 'getLockTag(state)', when: 'The holder as `{ tag }`, or NO_LOCK_HOLDERS, FENCED, TIMEOUT: which port group is active, for REPORT TARGET PORT GROUPS.',
    absent: 'port groups are reported as the kernel has them',
  },
  fua: { kind: 'fua', form: "'native' or 'emulate'", when: "`'native'`: `write` honours `io.fua`.", absent: 'the host calls `flush` after such a write' },
}

export const commandsMembers: Record<keyof CommandsHandler, Member> = {
  ...common,
  handleCmd: {
    kind: 'function', later: true, form: 'handleCmd(state, task, lun)',
    when: 'For each command. NOT_HANDLED, returned at once, gives it to the rows of `commands`; no row means INVALID COMMAND OPERATION CODE.',
    absent: 'the rows of `commands` answer; one of the two has to be there',
  },
  commands: {
    kind: 'rows', form: 'list of rows, or `(state) => rows`',
    when: 'Rows made by `command()`, own or borrowed from the generic layer: the host checks CDB, range and write protection, and runs them.',
    absent: 'a command moves what the initiator expects it to',
  },
  deviceType: { kind: 'deviceType', form: '0 to 31, or `(state) => number`', when: 'Peripheral device type (SPC-4 table 49).', absent: '0, a disk' },
  medium: { kind: 'function', form: 'medium(state)', when: 'Once, after `open`: `read`, `write`, `flush` and others for borrowed rows.', absent: 'borrowed rows cannot move blocks' },
}

/** What a definition of each shape may have. */
export const handlerMembers: Readonly<Record<HandlerShape, Members>> = { blocks: blocksMembers, commands: commandsMembers }
