/** How a device gets at its program. */
export interface ExecConfig {
  readonly kind: 'program' | 'socket'
  readonly path: string
  readonly args: readonly string[]
  /** How long a request may take. */
  readonly deadlineMs: number
  /** Requests under way at a time. */
  readonly inflight: number
  /** Starts within ten minutes after it ended by itself. */
  readonly restarts: number
}

/** Structured options, as the manifest has them. */
export interface ExecOptions {
  readonly args?: readonly string[]
  readonly deadline?: number
  readonly inflight?: number
  readonly restarts?: number
}

type Numbers = Record<'deadline' | 'inflight' | 'restarts', number>
const limits: Readonly<Record<keyof Numbers, { readonly from: number; readonly to: number; readonly whole: boolean; readonly usual: number }>> = {
  deadline: { from: 0.1, to: 3600, whole: false, usual: 30 },
  inflight: { from: 1, to: 1024, whole: true, usual: 32 },
  restarts: { from: 0, to: 1000, whole: true, usual: 5 },
}
const isKey = (key: string): key is keyof Numbers => Object.hasOwn(limits, key)
const UNIX = 'unix:'

function plain(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text)
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}

function number(key: keyof Numbers, text: string): number | string {
  const { from, to, whole } = limits[key]
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN
  return value >= from && value <= to && (!whole || Number.isInteger(value)) ? value : `${key} is a${whole ? ' whole' : ''} number from ${from} to ${to}, not ${JSON.stringify(text)}`
}

interface Parts { args: string[]; numbers: Partial<Numbers> }

function part(text: string, into: Parts): string | undefined {
  const equals = text.indexOf('=')
  const key = text.slice(0, Math.max(0, equals))
  const value = plain(text.slice(equals + 1))
  if (value === undefined) return `${JSON.stringify(text)} holds a percent sign that begins no character; write %25`
  if (key === 'arg') into.args.push(value)
  else if (isKey(key)) {
    const n = number(key, value)
    if (typeof n === 'string') return n
    into.numbers[key] = n
  } else return `${JSON.stringify(text)} is none of arg=, deadline=, inflight=, restarts=`
  return undefined
}

/** Read what stands after `exec/`, with the structured options on top; the sentence that says what is wrong otherwise. Never throws. */
export function parseConfig(text: string, options: ExecOptions = {}): ExecConfig | string {
  const [first = '', ...rest] = text.split(';')
  const kind = first.startsWith(UNIX) ? 'socket' : 'program'
  const path = plain(kind === 'socket' ? first.slice(UNIX.length) : first)
  if (path === undefined) return `${JSON.stringify(first)} is no path`
  if (!path.startsWith('/')) return `the path must be absolute; write exec//path/to/program or exec/unix:/path/to/socket, not ${JSON.stringify(first)}`
  const parts: Parts = { args: [], numbers: {} }
  for (const piece of rest) {
    const wrong = part(piece, parts)
    if (wrong !== undefined) return wrong
  }
  const args = [...parts.args, ...(options.args ?? [])]
  if (kind === 'socket' && args.length) return 'a socket has no arguments; arg= is for programs'
  const of = (key: keyof Numbers): number => options[key] ?? parts.numbers[key] ?? limits[key].usual
  return { kind, path, args, deadlineMs: of('deadline') * 1000, inflight: of('inflight'), restarts: of('restarts') }
}
