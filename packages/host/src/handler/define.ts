import { quote, type TcmuError, tcmuError } from '../errors'
import { type HandlerShape, RESERVED_SUBTYPE, SUBTYPE_MAX, SUBTYPE_PATTERN } from './manifest'
import { handlerMembers, type MemberKind } from './members'
import type { BlocksHandler, CommandsHandler, Handler } from './types'

const kinds: Readonly<Record<MemberKind, { wanted: string; is: (v: unknown) => boolean }>> = {
  string: { wanted: 'text', is: (v) => typeof v === 'string' && v.length > 0 },
  function: { wanted: 'a function', is: (v) => typeof v === 'function' },
  deviceType: {
    wanted: 'a peripheral device type, 0 to 31, or a function that gives it',
    is: (v) => typeof v === 'function' || (Number.isInteger(v) && (v as number) >= 0 && (v as number) <= 31),
  },
  rows: { wanted: 'a list of command rows, or a function that gives one', is: (v) => Array.isArray(v) || typeof v === 'function' },
  fua: { wanted: "'native' or 'emulate'", is: (v) => v === 'native' || v === 'emulate' },
}
const subtypePattern = new RegExp(SUBTYPE_PATTERN)

const wrong = (subtype: unknown, member: string, reason: string): TcmuError =>
  tcmuError('E_HANDLER_SHAPE', { handler: subtype === undefined ? 'without a subtype' : quote(subtype), reason, member })

/** Which of the two shapes a definition has, by what it has; undefined when it is neither. */
export function shapeOf(definition: object): HandlerShape | undefined {
  if ('read' in definition || 'write' in definition) return 'blocks'
  return 'handleCmd' in definition || 'commands' in definition ? 'commands' : undefined
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
    throw tcmuError('E_HANDLER_SHAPE', { handler: quote(value), reason: `a handler is an object, not ${value === null ? 'null' : typeof value}; export default defineHandler({ … })` })
  }
  const definition = value as Record<string, unknown>
  checkSubtype(definition.subtype)
  const shape = shapeOf(definition)
  if (!shape) throw wrong(definition.subtype, 'read', 'has neither `read` and `write` (shape blocks) nor `handleCmd` or `commands` (shape commands)')
  for (const [name, member] of Object.entries(handlerMembers[shape])) {
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
  const known = handlerMembers[shapeOf(definition)!]
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
