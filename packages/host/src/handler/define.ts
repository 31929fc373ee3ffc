import { TcmuError } from '../errors'
import { RESERVED_SUBTYPE, SUBTYPE_MAX, SUBTYPE_PATTERN, type HandlerShape } from './manifest'
import type { BlocksHandler, CommandsHandler, Handler } from './types'

type Kind = 'string' | 'function' | 'number' | 'array' | 'fua'
interface Member { readonly kind: Kind; readonly required?: true }
type Members = Readonly<Record<string, Member>>

const fn: Member = { kind: 'function' }
const common = {
  subtype: { kind: 'string', required: true },
  summary: { kind: 'string' },
  checkConfig: fn,
  open: { kind: 'function', required: true },
  close: fn,
  reconfigure: fn,
  handleCmd: fn,
} as const
const blocks: Record<keyof BlocksHandler, Member> = {
  ...common,
  read: { kind: 'function', required: true },
  write: { kind: 'function', required: true },
  flush: fn,
  unmap: fn,
  writeSame: fn,
  compareAndWrite: fn,
  provisioning: fn,
  fua: { kind: 'fua' },
}
const commands: Record<keyof CommandsHandler, Member> = {
  ...common,
  handleCmd: { kind: 'function', required: true },
  commands: { kind: 'array' },
  deviceType: { kind: 'number' },
}
const members: Readonly<Record<HandlerShape, Members>> = { blocks, commands }
const kinds: Readonly<Record<Kind, { wanted: string; is: (v: unknown) => boolean }>> = {
  string: { wanted: 'text', is: (v) => typeof v === 'string' && v.length > 0 },
  function: { wanted: 'a function', is: (v) => typeof v === 'function' },
  number: { wanted: 'a peripheral device type, 0 to 31', is: (v) => Number.isInteger(v) && (v as number) >= 0 && (v as number) <= 31 },
  array: { wanted: 'a list of command rows', is: Array.isArray },
  fua: { wanted: "'native' or 'emulate'", is: (v) => v === 'native' || v === 'emulate' },
}
const subtypePattern = new RegExp(SUBTYPE_PATTERN)

const wrong = (subtype: unknown, member: string, sentence: string): TcmuError => {
  const who = typeof subtype === 'string' && subtype ? `handler ${JSON.stringify(subtype.slice(0, SUBTYPE_MAX))}` : 'a handler without a subtype'
  return new TcmuError('E_HANDLER_SHAPE', `${who}: ${sentence}`, { subtype, member })
}

/** Which of the two shapes a definition has, by what it has; undefined when it is neither. */
export function shapeOf(definition: object): HandlerShape | undefined {
  if ('read' in definition || 'write' in definition) return 'blocks'
  return 'handleCmd' in definition ? 'commands' : undefined
}

function checkSubtype(subtype: unknown): void {
  if (typeof subtype !== 'string' || !subtypePattern.test(subtype) || subtype.length > SUBTYPE_MAX) {
    throw wrong(subtype, 'subtype', `\`subtype\` must be letters, digits and underscores, at most ${SUBTYPE_MAX}`)
  }
  if (subtype === RESERVED_SUBTYPE) throw wrong(subtype, 'subtype', 'this subtype is taken by the service itself; choose another')
}

/**
 * Check that a value is a handler, by what it has and not by where it was made (packages may bring their own copy of the
 * SDK). Throws E_HANDLER_SHAPE naming the member. Members the API does not know are left alone.
 */
export function checkHandler(value: unknown): Handler {
  if (typeof value !== 'object' || value === null) {
    throw new TcmuError('E_HANDLER_SHAPE', `a handler is an object, not ${value === null ? 'null' : typeof value}; export default defineHandler({ … })`)
  }
  const definition = value as Record<string, unknown>
  checkSubtype(definition.subtype)
  const shape = shapeOf(definition)
  if (!shape) throw wrong(definition.subtype, 'read', 'has neither `read` and `write` (shape blocks) nor `handleCmd` (shape commands)')
  for (const [name, member] of Object.entries(members[shape])) {
    const found = definition[name]
    if (found === undefined && !member.required) continue
    const kind = kinds[member.kind]
    if (kind.is(found)) continue
    const what = found === undefined ? 'is missing' : `is ${Array.isArray(found) ? 'a list' : typeof found}`
    throw wrong(definition.subtype, name, `\`${name}\` ${what}, but must be ${kind.wanted} (shape ${shape})`)
  }
  return value as Handler
}

function refuseUnknown(definition: Handler): void {
  const known = members[shapeOf(definition)!]
  const unknown = Object.keys(definition).find((name) => !Object.hasOwn(known, name))
  if (unknown === undefined) return
  const list = Object.keys(known).join(', ')
  throw wrong(definition.subtype, unknown, `\`${unknown}\` is no member of the handler API; it knows ${list}`)
}

/**
 * Declare a handler. Checks its shape, refuses members the API does not know (they are misspellings), and freezes it.
 * The type of the state is what `open` returns; annotate `open(dev: DeviceInfo<MyOptions>)` for the type of the options.
 * Throws E_HANDLER_SHAPE.
 */
export function defineHandler<S, O = unknown>(definition: BlocksHandler<S, O>): BlocksHandler<S, O>
export function defineHandler<S, O = unknown>(definition: CommandsHandler<S, O>): CommandsHandler<S, O>
export function defineHandler(definition: Handler): Handler {
  checkHandler(definition)
  refuseUnknown(definition)
  return Object.freeze(definition)
}
