import { quote, reasonOf, TcmuError, tcmuError } from '../errors'
import { type FilterText, parseFilters } from '../filter'
import { type Cfgstring, parseCfgstring } from './cfgstring'
import { parseSize } from './size'

export const DEFAULT_BLOCK_SIZE = 512
/** Names go into serial numbers, logs and file names. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'
export const SERIAL_PATTERN = '^[A-Za-z0-9-]{1,64}$'
const namePattern = new RegExp(NAME_PATTERN)
const serialPattern = new RegExp(SERIAL_PATTERN)

/** One LUN as the operator wants it. */
export interface LunConfig extends Cfgstring {
  readonly name: string
  /** Bytes; 0 when the handler says. */
  readonly sizeBytes: number
  readonly blockSize: number
  readonly readOnly: boolean
  /** Refuse reserved bits of CDBs. */
  readonly strictCdb?: boolean
  /** Storage for all of it is reserved, where the handler can do that, and stays so. */
  readonly thick?: boolean
  /** Bytes; left out: the handler says. */
  readonly physicalBlockSize?: number
  readonly options: unknown
  /** Before the handler, the first one asked first. Left out: as chosen for devices of its name or subtype. */
  readonly filters?: readonly FilterText[]
  /** Left out: made from the names of target and LUN, so that it stays the same. */
  readonly serial: string | undefined
}

export const isBlockSize = (n: number): boolean => Number.isInteger(n) && n >= 512 && n <= 65536 && (n & (n - 1)) === 0

const truth: ReadonlyMap<string, boolean> = new Map([['', true], ['yes', true], ['true', true], ['on', true], ['no', false], ['false', false], ['off', false]])

const known: ReadonlySet<string> = new Set(['name', 'size', 'blocksize', 'physicalblocksize', 'readonly', 'strict', 'thick', 'serial', 'filters', 'cfgstring'])
const LAST = 'cfgstring='

function fields(text: string, wrong: (reason: string) => Error): Map<string, string> {
  const found = new Map<string, string>()
  for (let rest: string | undefined = text; rest !== undefined; ) {
    const comma: number = rest.startsWith(LAST) ? -1 : rest.indexOf(',')
    const piece: string = comma < 0 ? rest : rest.slice(0, comma)
    const equals = piece.indexOf('=')
    const key = equals < 0 ? piece : piece.slice(0, equals)
    if (!known.has(key)) throw wrong(key === '' ? 'a part of it is empty' : `${quote(key)} is none of ${[...known].join(', ')}`)
    if (found.has(key)) throw wrong(`${key} is there twice`)
    found.set(key, equals < 0 ? '' : piece.slice(equals + 1))
    rest = comma < 0 ? undefined : rest.slice(comma + 1)
  }
  return found
}

/**
 * Read `name=N,size=S,cfgstring=SUBTYPE/REST`; also `blocksize=B`, `physicalblocksize=B`, `readonly`, `strict`, `thick`, `serial=S`, `filters=F`. `cfgstring` is last and takes the
 * rest of the text, commas and all. Throws E_LUN_TEXT.
 */
export function parseLun(text: string): LunConfig {
  const wrong = (reason: string, cause?: unknown): Error => tcmuError('E_LUN_TEXT', { text: quote(text), reason }, { cause })
  const inner = <T>(make: () => T): T => {
    try {
      return make()
    } catch (e) {
      throw wrong(e instanceof TcmuError ? e.message.slice(e.code.length + 2) : reasonOf(e), e)
    }
  }
  const found = fields(text, wrong)
  const name = found.get('name')
  const cfgstring = found.get('cfgstring')
  if (name === undefined) throw wrong('it has no name=')
  if (cfgstring === undefined) throw wrong('it has no cfgstring=')
  if (!namePattern.test(name)) throw wrong(`name ${quote(name)} is not made of letters, digits, dot, dash and underscore (at most 64)`)
  const blockSize = inner(() => parseSize(found.get('blocksize') ?? DEFAULT_BLOCK_SIZE))
  if (!isBlockSize(blockSize)) throw wrong(`blocksize ${blockSize} is not a power of two from 512 to 65536`)
  const flag = (key: string): boolean => {
    const value = found.has(key) ? truth.get(found.get(key)!.toLowerCase()) : false
    if (value === undefined) throw wrong(`${key} is yes or no, not ${quote(found.get(key))}`)
    return value
  }
  const readOnly = flag('readonly')
  const physical = found.get('physicalblocksize')
  const physicalBlockSize = physical === undefined ? undefined : inner(() => parseSize(physical))
  const serial = found.get('serial')
  if (serial !== undefined && !serialPattern.test(serial)) throw wrong(`serial ${quote(serial)} is not made of letters, digits and dashes (at most 64)`)
  const size = found.get('size')
  const filters = found.get('filters')
  return {
    ...inner(() => parseCfgstring(cfgstring)), name, sizeBytes: size === undefined ? 0 : inner(() => parseSize(size)), blockSize, readOnly,
    ...(flag('strict') && { strictCdb: true }), ...(flag('thick') && { thick: true }), ...(physicalBlockSize !== undefined && { physicalBlockSize }),
    ...(filters !== undefined && { filters: inner(() => parseFilters(filters)) }), options: undefined, serial,
  }
}

/** A LUN as a program writes it: as `--lun` has it, or the keys of `luns` in a configuration file. */
export type LunInput = string | LunConfig | {
  readonly name: string
  readonly cfgstring: string
  /** Bytes, or a text such as `64M`. Left out: the handler says. */
  readonly size?: number | string
  readonly options?: unknown
} & Partial<Omit<LunConfig, 'name' | 'subtype' | 'config' | 'sizeBytes' | 'options'>>

/** The whole of it. Throws E_LUN_TEXT, E_CFGSTRING, E_SIZE. */
export function lunOf(lun: LunInput): LunConfig {
  if (typeof lun === 'string') return parseLun(lun)
  if ('sizeBytes' in lun) return lun
  const { cfgstring, size = 0, ...rest } = lun
  if (!namePattern.test(rest.name)) throw tcmuError('E_LUN_TEXT', { text: quote(rest.name), reason: 'this name is not made of letters, digits, dot, dash and underscore (at most 64)' })
  return { blockSize: DEFAULT_BLOCK_SIZE, readOnly: false, options: undefined, serial: undefined, ...rest, ...parseCfgstring(cfgstring), sizeBytes: parseSize(size) }
}
