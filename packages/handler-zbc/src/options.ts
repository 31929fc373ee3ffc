import { decimal, type OptionSpecs, parseConfig, type Parsed, powerOfTwo, yesNo } from './cfgstring'

/** Options of the subtype `zbc`, as structured options and in the cfgstring. `zsize` is MiB. */
export interface ZbcOptions {
  readonly model: 'HM' | 'HA'
  readonly lba: 512 | 4096
  readonly zsize: number
  readonly conv: number
  readonly open: number
  readonly phys: 512 | 4096
  readonly urswrz: boolean
  readonly format: boolean
}

const blockSize = (value: string): 512 | 4096 | undefined => (value === '512' ? 512 : value === '4096' ? 4096 : undefined)
const model = (value: string): 'HM' | 'HA' | undefined => ({ hm: 'HM', ha: 'HA' } as const)[value.toLowerCase() as 'hm' | 'ha']
/** The option `name`, when its value is one. */
const as = <K extends keyof ZbcOptions>(name: K, value: ZbcOptions[K] | undefined): Partial<ZbcOptions> | undefined => (value === undefined ? undefined : { [name]: value })

export const zbcSpecs: OptionSpecs<ZbcOptions> = {
  model: { error: 'Invalid device model', read: (v) => as('model', model(v)) },
  lba: { error: 'Invalid LBA size', read: (v) => as('lba', blockSize(v)) },
  zsize: { error: 'Invalid zone size', read: (v) => as('zsize', [decimal(v)].find((n) => n !== undefined && powerOfTwo(n))) },
  conv: { error: 'Invalid number of conventional zones', read: (v) => as('conv', decimal(v)) },
  open: { error: 'Invalid number of open zones', read: (v) => as('open', [decimal(v)].find((n) => n !== undefined && n >= 1)) },
  phys: { error: 'Invalid physical block size', read: (v) => as('phys', blockSize(v)) },
  urswrz: { error: "Invalid urswrz switch, value should be 'y' or 'n'", read: (v) => as('urswrz', yesNo(v)) },
  format: { error: "Invalid format switch, value should be 'y' or 'n'", read: (v) => as('format', yesNo(v)) },
}

/** The cfgstring with the structured options over it; the sentence that says what is wrong otherwise. */
export function zbcConfig(text: string, structured: Partial<ZbcOptions> | undefined): Parsed<ZbcOptions> | string {
  const parsed = parseConfig(text, zbcSpecs)
  if (typeof parsed === 'string') return parsed
  const options = { ...parsed.options, ...structured }
  if (options.zsize !== undefined && !powerOfTwo(options.zsize)) return zbcSpecs.zsize!.error
  if ((options.phys ?? 4096) < (options.lba ?? 512)) return zbcSpecs.phys!.error
  return { options, path: parsed.path }
}
