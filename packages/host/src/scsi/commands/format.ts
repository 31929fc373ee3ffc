import { bits, layout, skip, u16be, u32be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { FormatUnit } from '../cdb'
import { blockOf, fillLong, unlessDeclined, unmapRange } from '../fill'
import type { Lun, Result } from '../lun'
import { andThen, flush, noDataOut, readsZero } from '../medium'
import type { OperationSpec } from '../operation'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

const flags = { flags: bits(u8, { fov: 7, dpry: 6, dcrt: 5, stpf: 4, ip: 3, dsp: 2, immed: 1 }) }
const protection = { protection: bits(u8, { protectionFieldUsage: [2, 0] }) }
/** SBC-3 5.3.2.2 */
export const FormatHeader = layout('format_parameters_short', { ...protection, ...flags, defectListLength: u16be }, { size: 4 })
export const FormatHeaderLong = layout('format_parameters_long', {
  ...protection, ...flags, reserved: skip(1), information: bits(u8, { piInformation: [7, 4], intervalExponent: [3, 0] }), defectListLength: u32be,
}, { size: 8 })
/** SBC-3 5.3.2.3 */
export const InitializationPattern = layout('initialization_pattern', {
  modifier: bits(u8, { ipModifier: [7, 6], si: 5 }), type: u8, length: u16be,
}, { size: 4 })
export const ipType = { DEFAULT: 0, REPEAT: 1 } as const

/** What the command is to do; the default pattern is no pattern. */
interface Format {
  readonly immed: boolean
  readonly pattern: Uint8Array | undefined
}
type Fields<N extends string> = Readonly<Record<N, number>>
type Long = Partial<Fields<'piInformation' | 'intervalExponent'>>
type Header = Fields<'protectionFieldUsage' | 'fov' | 'dpry' | 'dcrt' | 'stpf' | 'ip' | 'dsp' | 'immed' | 'defectListLength'> & Long

/** The first field of the header that there is nothing for here: its name and bit. */
function wrongField(h: Header): readonly [string, number] | undefined {
  if (h.protectionFieldUsage) return ['protectionFieldUsage', 2]
  if (!h.fov && (h.dpry || h.dcrt || h.stpf || h.ip)) return ['fov', 7]
  if (h.dsp) return ['dsp', 2]
  if (h.piInformation) return ['piInformation', 7]
  if (h.intervalExponent) return ['intervalExponent', 3]
  return h.defectListLength ? ['defectListLength', -1] : undefined
}

/** The initialization pattern descriptor at `at`. */
function patternIn(lun: Lun, task: Task, list: Uint8Array, at: number): Uint8Array | undefined | Status {
  if (list.length < at + InitializationPattern.size) return Status.INVALID_PARAM_LIST_LEN
  const { ipModifier, si, type, length } = InitializationPattern.decode(list, at)
  if (ipModifier) return task.invalidParameter(at, 7)
  if (si) return task.invalidParameter(at, 5)
  if (type > ipType.REPEAT) return task.invalidParameter(at + InitializationPattern.at.type)
  const wrong = type === ipType.DEFAULT ? length !== 0 : length === 0 || length > lun.blockSize
  if (wrong) return task.invalidParameter(at + InitializationPattern.at.length)
  const from = at + InitializationPattern.size
  if (list.length < from + length) return Status.INVALID_PARAM_LIST_LEN
  return length === 0 ? undefined : list.slice(from, from + length)
}

/** SBC-3 5.3.2: the parameter list has no length in the CDB; it is what its fields say, and what was sent. */
function parametersOf(lun: Lun, task: Task, long: boolean): Format | Status {
  const header = long ? FormatHeaderLong : FormatHeader
  if (noDataOut(task)) return Status.INVALID_CDB
  const list = task.parameters(Math.min(task.data.length, longest(lun)))
  if (list.length < header.size) return Status.INVALID_PARAM_LIST_LEN
  const h = header.decode(list) as Header
  const wrong = wrongField(h)
  if (wrong) return task.invalidParameter((header.at as Readonly<Record<string, number>>)[wrong[0]]!, wrong[1])
  const pattern = h.ip ? patternIn(lun, task, list, header.size) : undefined
  return typeof pattern === 'number' ? pattern : { immed: h.immed === 1, pattern }
}

const longest = (lun: Lun): number => FormatHeaderLong.size + InitializationPattern.size + lun.blockSize

/** Every block as after the first power on: without storage where that reads as zeroes, else zeroes, or else the pattern. */
export const formatting = (lun: Lun, pattern: Uint8Array | undefined): OperationSpec => ({
  status: Status.FRMT_IN_PROGRESS,
  total: lun.blocks * lun.blockSize,
  failed: { state: 'unformatted', status: Status.FORMAT_CORRUPTED },
  work: (operation) => {
    const done = (bytes: number): void => operation.advance(bytes)
    const filled = (): Result => fillLong(lun, operation, blockOf(lun, pattern ?? Uint8Array.of(0)), done)
    const thin = pattern === undefined && readsZero(lun)
    const emptied = thin ? unlessDeclined(unmapRange(lun, operation, 0, lun.blocks * lun.blockSize, done), filled) : filled()
    return andThen(emptied, () => flush(lun, operation))
  },
})

type Cdb = Readonly<Record<'fmtpInfo' | 'longList' | 'fmtData' | 'cmpList' | 'defectListFormat', number>>
/** DEFECT LIST FORMAT: short and long block, bytes from index, physical sector (SBC-3 table 38). */
const defectFormats: ReadonlySet<number> = new Set([0, 3, 4, 5])

function refuse(task: Task, c: Cdb): Status | undefined {
  if (c.fmtpInfo) return invalidField(task, 'fmtpInfo', 7)
  if (!c.fmtData && c.longList) return invalidField(task, 'longList', 5)
  if (!c.fmtData && c.cmpList) return invalidField(task, 'cmpList', 3)
  return (c.fmtData ? defectFormats.has(c.defectListFormat) : c.defectListFormat === 0) ? undefined : invalidField(task, 'defectListFormat', 2)
}

/** SBC-3 5.3. A command that is aborted ends the formatting with it; with IMMED there is nothing to abort any more. */
async function format(lun: Lun, task: Task, { immed, pattern }: Format): Promise<Status> {
  const ended = lun.operations.begin(formatting(lun, pattern))
  if (immed) return Status.OK
  task.signal.addEventListener('abort', () => void lun.operations.stop(), { once: true })
  const status = await ended
  const known = status === Status.OK || status === Status.ABORTED || status === Status.WRITE_PROTECTED || status === Status.SPACE_FAILED
  return known ? status : Status.FORMAT_FAILED
}

function runFormatUnit(lun: Lun, task: Task, c: Cdb): Result {
  const refused = refuse(task, c)
  if (refused !== undefined) return refused
  const wanted = c.fmtData ? parametersOf(lun, task, c.longList === 1) : { immed: false, pattern: undefined }
  return typeof wanted === 'number' ? wanted : format(lun, task, wanted)
}

export const formatUnit = command({
  op: op.FORMAT_UNIT, name: 'FORMAT UNIT', cdb: FormatUnit, access: 'write', dataDirection: 'out', exclusive: true, needs: 'format',
  transfer: (c, lun) => (c.fmtData ? longest(lun) : 0), allowed: { unformatted: true }, run: runFormatUnit,
})

export const formatCommands: readonly CommandRow[] = [formatUnit]
