/** One option of the text `[opt1[/opt2][...]@]path`: how its value is read, and what is said of a bad one. */
export interface OptionSpec<O> {
  readonly error: string
  /** What the value comes to; undefined when it is none. */
  readonly read: (value: string) => Partial<O> | undefined
}
export type OptionSpecs<O> = Readonly<Record<string, OptionSpec<O>>>

export interface Parsed<O> {
  readonly options: Partial<O>
  readonly path: string
}

export const FORMAT_ERROR = 'Invalid configuration string format'
const NAME_ERROR = 'Invalid option name'
const PATH_ERROR = 'Failed to get path'

/** A decimal number without sign; undefined when it is none or more than 32 bits hold. */
export const decimal = (value: string): number | undefined => (/^\d{1,10}$/.test(value) && Number(value) < 2 ** 32 ? Number(value) : undefined)
export const powerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n))
export const yesNo = (value: string): boolean | undefined => (value === 'y' ? true : value === 'n' ? false : undefined)

/** Read such a text; the sentence that says what is wrong with it otherwise. Never throws. */
export function parseConfig<O>(text: string, specs: OptionSpecs<O>): Parsed<O> | string {
  if (text.includes('\0')) return PATH_ERROR
  if (text.startsWith('/')) return { options: {}, path: text }
  const at = text.indexOf('@')
  if (at < 0) return text === '' ? PATH_ERROR : FORMAT_ERROR
  const path = text.slice(at + 1)
  const options: Partial<O> = {}
  const list = text.slice(0, at).replace(/\/$/, '')
  for (const part of list === '' ? [] : list.split('/')) {
    const dash = part.indexOf('-')
    const name = part.slice(0, Math.max(0, dash))
    if (!Object.hasOwn(specs, name)) return dash < 0 ? FORMAT_ERROR : NAME_ERROR
    const value = specs[name]!.read(part.slice(dash + 1))
    if (!value) return specs[name]!.error
    Object.assign(options, value)
  }
  return path === '' ? PATH_ERROR : { options, path }
}
