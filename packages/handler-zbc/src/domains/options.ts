import { decimal, type OptionSpecs, type Parsed, parseConfig, powerOfTwo, yesNo } from '../cfgstring'
import { type Profile, profileNamed } from './profiles'

export type Standard = 'r5' | 'z2' | 'pub'
export const standards: readonly Standard[] = ['r5', 'z2', 'pub']

/** Options of the subtype `dhsmr`. Sizes are bytes once they are read; `sgain` is percent. */
export interface DomainOptions {
  readonly type: string
  readonly model: 'HM' | 'HA'
  readonly lba: 512 | 4096
  readonly zsize: number
  readonly conv: number
  readonly open: number
  readonly rsize: number
  readonly sgain: number
  readonly maxact: number
  readonly wpcheck: boolean
  readonly realms: boolean
  readonly std: Standard
  readonly mutate: boolean
  readonly format: boolean
}
/** As the manifest's schema has them: `zsize` and `rsize` as text with a K, or MiB; `sgain` as a factor. */
export type StructuredOptions = Partial<Omit<DomainOptions, 'zsize' | 'rsize' | 'sgain'> & { zsize: number | string; rsize: number | string; sgain: number }>

const KiB = 2 ** 10
const MiB = 2 ** 20

/** `64` MiB or `512K`, in bytes. */
function sized(value: string): number | undefined {
  const kilo = value.endsWith('K')
  const n = decimal(kilo ? value.slice(0, -1) : value)
  return n === undefined || n === 0 ? undefined : n * (kilo ? KiB : MiB)
}
/** `1.25` as 125; more than 1.00, two digits behind the point are kept. */
function gain(value: string): number | undefined {
  const m = /^(\d{1,3})(?:\.(\d{1,9}))?$/.exec(value)
  const percent = m && Number(m[1]) * 100 + Number((m[2] ?? '').padEnd(2, '0').slice(0, 2))
  return percent && percent > 100 ? percent : undefined
}
const one = <T>(value: T | undefined, is: (v: T) => boolean): T | undefined => (value !== undefined && is(value) ? value : undefined)
const as = <K extends keyof DomainOptions>(name: K, value: DomainOptions[K] | undefined): Partial<DomainOptions> | undefined => (value === undefined ? undefined : { [name]: value })

export const domainSpecs: OptionSpecs<DomainOptions> = {
  type: { error: 'Unsupported device type', read: (v) => as('type', profileNamed(v)?.name) },
  model: { error: 'Invalid device model', read: (v) => as('model', v === 'HM' || v === 'HA' ? v : undefined) },
  lba: { error: 'Invalid LBA size', read: (v) => as('lba', v === '512' ? 512 : v === '4096' ? 4096 : undefined) },
  zsize: { error: 'Invalid zone size', read: (v) => as('zsize', one(sized(v), powerOfTwo)) },
  conv: { error: 'Invalid number of conventional zones', read: (v) => as('conv', decimal(v)) },
  open: { error: 'Invalid number of open zones', read: (v) => as('open', one(decimal(v), (n) => n >= 1)) },
  rsize: { error: 'Invalid zone realm size', read: (v) => as('rsize', sized(v)) },
  sgain: { error: 'Invalid zone realm SMR gain', read: (v) => as('sgain', gain(v)) },
  maxact: { error: 'Invalid maximum activation', read: (v) => as('maxact', one(decimal(v), (n) => n < 2 ** 16)) },
  wpcheck: { error: "Invalid WP Check switch, value should be 'y' or 'n'", read: (v) => as('wpcheck', yesNo(v)) },
  realms: { error: "Invald Realms support switch, value should be 'y' or 'n'", read: (v) => as('realms', yesNo(v)) },
  std: { error: "Invalid standard, value should be 'r5', 'z2' or 'pub'", read: (v) => as('std', standards.find((s) => s === v)) },
  mutate: { error: "Invalid mutate switch, value should be 'y' or 'n'", read: (v) => as('mutate', yesNo(v)) },
  format: { error: "Invalid format switch, value should be 'y' or 'n'", read: (v) => as('format', yesNo(v)) },
}

/** A structured value as the text it would be in the cfgstring. */
const textOf = (value: unknown): string => (typeof value === 'boolean' ? (value ? 'y' : 'n') : String(value))

/** The cfgstring with the structured options over it; the sentence that says what is wrong otherwise. */
export function domainConfig(text: string, structured: StructuredOptions | undefined): Parsed<DomainOptions> | string {
  const parsed = parseConfig(text, domainSpecs)
  if (typeof parsed === 'string') return parsed
  const options = { ...parsed.options }
  for (const [name, value] of Object.entries(structured ?? {})) {
    const read = domainSpecs[name]?.read(textOf(value))
    if (!read) return domainSpecs[name]?.error ?? 'Invalid option name'
    Object.assign(options, read)
  }
  return { options, path: parsed.path }
}

const DEFAULT_PROFILE = 'ZD_SOBR'
export const profileAsked = (o: Partial<DomainOptions>): Profile => profileNamed(o.type ?? o.model ?? DEFAULT_PROFILE)!
