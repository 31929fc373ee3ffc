import { readBounded } from '../input'
import { quote, tcmuError } from '../errors'

/** Bytes; the C daemon's limit. */
const MAX_SIZE = 2 * 1024 * 1024
const MAX_LEVEL = 5

/** A line that is not taken, and why. */
export interface ConfFault {
  readonly line: number
  readonly key: string
  readonly wanted: string
  readonly found: string
}

type Value = number | string | true
interface Entry {
  readonly line: number
  readonly key: string
  readonly value: Value
}

const KEY_VALUE = /^([A-Za-z][^\s=]*)\s*(?:=\s*(.*))?$/s

/** Digits make a number, whatever follows them; anything else is text, one quotation mark at either end taken off. */
function valueOf(text: string): Value {
  const digits = /^[0-9]+/.exec(text)
  return digits ? Number(digits[0]) : text.replace(/^["']/, '').replace(/["']$/, '')
}

/** Lines of the C daemon's syntax: `key = value`, or a key alone for true; `#` begins a comment line. */
function entriesOf(text: string, faults: ConfFault[]): Entry[] {
  return text.split(/[\r\n]/).flatMap((raw, i): Entry[] => {
    const body = raw.trim()
    if (body === '' || body.startsWith('#')) return []
    const [, key, value] = KEY_VALUE.exec(body) ?? []
    if (key !== undefined) return [{ line: i + 1, key, value: value === undefined ? true : valueOf(value) }]
    faults.push({ line: i + 1, key: body.split(/[\s=]/, 1).join(), wanted: '`key = value` or `key`, and a key begins with a letter', found: quote(body) })
    return []
  })
}

const level = { wanted: `a number from 0 to ${MAX_LEVEL}`, read: (v: Value) => (typeof v === 'number' ? { logLevel: Math.min(MAX_LEVEL, v) } : undefined) }
const folder = { wanted: 'an absolute path', read: (v: Value) => (typeof v === 'string' && v.startsWith('/') ? { logDir: v } : undefined) }

/** What the file can say, as keys of the host's own configuration. `log_dir_path` is the name of older documentation. */
const rows: Readonly<Record<string, typeof level | typeof folder>> = { log_level: level, log_dir: folder, log_dir_path: folder }

export interface TcmuConf {
  /** In terms of the schema of the configuration. */
  readonly values: { readonly logLevel?: number; readonly logDir?: string }
  readonly faults: readonly ConfFault[]
}

/** Read the text of a tcmu.conf. Keys that nobody knows are left alone, as by the C daemon; of a key given twice the last holds. */
export function parseTcmuConf(text: string): TcmuConf {
  const faults: ConfFault[] = []
  const values = {}
  for (const { line, key, value } of entriesOf(text, faults)) {
    if (!Object.hasOwn(rows, key)) continue
    const read = rows[key].read(value)
    if (read) Object.assign(values, read)
    else faults.push({ line, key, wanted: rows[key].wanted, found: value === true ? 'no value' : quote(value) })
  }
  return { values, faults: faults.sort((a, b) => a.line - b.line) }
}

/** Read a tcmu.conf. Throws an errno error when it cannot be opened, E_CONFIG_FILE when it is no file or too large. */
export function readTcmuConf(file: string): TcmuConf {
  const read = readBounded(file, MAX_SIZE)
  if ('wanted' in read) throw tcmuError('E_CONFIG_FILE', { file, reason: `wanted ${read.wanted}, found ${read.found}` })
  return parseTcmuConf(read.text)
}

/** A fault as the error that logs and people get. */
export const confError = (file: string, { line, key, wanted, found }: ConfFault): Error => tcmuError('E_CONFIG', { file: `${file}:${line}`, key, wanted, found })
