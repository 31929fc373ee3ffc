import { oneLine } from '../errors'

const runnerTags: ReadonlyMap<unknown, string> = new Map([
  ['fatal', 'CRIT'], ['error', 'ERROR'], ['warn', 'WARN'], ['info', 'INFO'], ['debug', 'DEBUG'], ['trace', 'DEBUG_SCSI_CMD'],
])
/** What the line says in places of its own. */
const placed: ReadonlySet<string> = new Set(['time', 'level', 'msg', 'pid', 'stack', 'device', 'handler', 'frontend'])

const text = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v))
const pad = (n: number, digits: number): string => String(n).padStart(digits, '0')

function localTime(iso: unknown): string {
  const at = new Date(typeof iso === 'string' ? iso : NaN)
  const year = at.getFullYear()
  // The format has four digits for it; what is no date has no year at all.
  const t = year >= 0 && year <= 9999 ? at : new Date()
  return `${pad(t.getFullYear(), 4)}-${pad(t.getMonth() + 1, 2)}-${pad(t.getDate(), 2)} ${pad(t.getHours(), 2)}:${pad(t.getMinutes(), 2)}:${pad(t.getSeconds(), 2)}.${pad(t.getMilliseconds(), 3)}`
}

/**
 * A log record as the C daemon writes it: `YYYY-MM-DD HH:MM:SS.mmm PID [LEVEL] function:line subtype/device: message`, in local
 * time. The place of the function has the part of the host; facts follow in brackets.
 */
export function runnerLine(json: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json
  }
  const { level, pid, msg, device, handler, frontend, stack } = record
  const facts = Object.entries(record).filter(([k]) => !placed.has(k)).map(([k, v]) => `${k}=${text(v)}`)
  if (typeof stack === 'string') facts.push(`stack=${stack.split('\n').slice(1).map((l) => l.trim()).join(' ')}`)
  const who = device === undefined ? '' : ` ${handler === undefined ? '' : `${text(handler)}/`}${text(device)}`
  const part = typeof frontend === 'string' ? frontend : 'host'
  const said = `${text(msg ?? '')}${facts.length ? ` (${facts.join(' ')})` : ''}`
  return `${localTime(record.time)} ${text(pid ?? process.pid)} [${runnerTags.get(level) ?? 'INFO'}] ${oneLine(`${part}:0${who}: ${said}`)}\n`
}
