import { noDataOut } from '../medium'
import { Status } from '../status'
import type { Task } from '../task'
import { association, designatorType } from '../vpd/identification'
import { BlockToBlock, Cscd, descriptorType, HeaderLid1, HeaderLid4, LID4_FORMAT, LID4_HEADER_CSCD, listIdUsage, SegmentHead, THIS_UNIT } from './layouts'
import { copyLimits } from './limits'

/** A copy source or copy destination, and where in the parameter list it is described. */
export interface CopyTarget {
  readonly at: number
  readonly deviceType: number
  /** NAA designator as in VPD 83h, in hexadecimal; undefined when it is another kind, or a null device: nothing here is that. */
  readonly naa: string | undefined
  /** DISK BLOCK LENGTH; 0 says nothing. */
  readonly blockLength: number
}

export interface CopySegment {
  readonly at: number
  /** Index into the targets; THIS_UNIT. */
  readonly source: number
  readonly destination: number
  readonly sourceLba: number
  readonly destinationLba: number
  readonly blocks: number
  /** The blocks are those of the destination. */
  readonly dc: boolean
}

/** An EXTENDED COPY, taken apart. */
export interface CopyRequest {
  readonly listIdentifier: number
  /** Results can be asked for. */
  readonly named: boolean
  readonly immed: boolean
  readonly targets: readonly CopyTarget[]
  readonly segments: readonly CopySegment[]
}

interface Header {
  readonly size: number
  readonly listIdentifier: number
  readonly listIdUsage: number
  readonly immed: boolean
  readonly cscdLength: number
  readonly segmentLength: number
  readonly inlineLength: number
}

/** `status`, pointing at a byte of the parameter list. */
function at(task: Task, status: Status, byte: number, bit = -1): Status {
  task.detail = { field: { byte, bit, inCdb: false } }
  return status
}

function checkUsage(task: Task, usage: number, listIdentifier: number, fields: { listIdUsage: number; listIdentifier: number }): Status | undefined {
  if (!(Object.values(listIdUsage) as number[]).includes(usage)) return task.invalidParameter(fields.listIdUsage, 4)
  return usage === listIdUsage.NONE && listIdentifier !== 0 ? task.invalidParameter(fields.listIdentifier) : undefined
}

export function headerLid1(task: Task, list: Uint8Array): Header | Status {
  if (list.length < HeaderLid1.size) return Status.INVALID_PARAM_LIST_LEN
  const h = HeaderLid1.decode(list)
  return checkUsage(task, h.listIdUsage, h.listIdentifier, HeaderLid1.at) ?? { ...h, size: HeaderLid1.size, immed: false }
}

export function headerLid4(task: Task, list: Uint8Array): Header | Status {
  if (list.length < HeaderLid4.size) return Status.INVALID_PARAM_LIST_LEN
  const h = HeaderLid4.decode(list)
  if (h.format !== LID4_FORMAT) return task.invalidParameter(HeaderLid4.at.format)
  if (h.headerCscdLength !== LID4_HEADER_CSCD.length) return task.invalidParameter(HeaderLid4.at.headerCscdLength)
  if (h.headerCscdType !== LID4_HEADER_CSCD.type) return task.invalidParameter(HeaderLid4.at.headerCscdType)
  // SPC-4 6.4.3 says INVALID FIELD IN CDB of these two, which are in the parameter list.
  if (h.gSense) return at(task, h.immed ? Status.INVALID_CDB : Status.INVALID_PARAM_LIST, HeaderLid4.at.gSense, 1)
  if (h.immed && h.listIdUsage === listIdUsage.NONE) return at(task, Status.INVALID_CDB, HeaderLid4.at.immed, 0)
  return checkUsage(task, h.listIdUsage, h.listIdentifier, HeaderLid4.at) ?? { ...h, size: HeaderLid4.size, immed: h.immed === 1 }
}

function targetIn(task: Task, list: Uint8Array, from: number): CopyTarget | Status {
  if (list[from] !== descriptorType.IDENTIFICATION) return at(task, Status.NOTSUPP_TGT_DESC_TYPE, from)
  const d = Cscd.decode(list, from)
  const { deviceType, blockLength } = d
  // SPC-3: a null device, obsolete since; what was meant to go nowhere is not written over a disk.
  if (d.nul) return { at: from, deviceType, blockLength, naa: undefined }
  if (d.association !== association.LOGICAL_UNIT) return task.invalidParameter(from + Cscd.at.association, 5)
  if (d.designatorLength === 0 || d.designatorLength > d.designator.length) return task.invalidParameter(from + Cscd.at.designatorLength)
  const naa = d.designatorType === designatorType.NAA
  return { at: from, deviceType, blockLength, naa: naa ? Buffer.from(d.designator.subarray(0, d.designatorLength)).toString('hex') : undefined }
}

function targetsIn(task: Task, list: Uint8Array, from: number, length: number): CopyTarget[] | Status {
  if (length % Cscd.size) return Status.INVALID_PARAM_LIST_LEN
  if (length / Cscd.size > copyLimits.cscd) return at(task, Status.TOO_MANY_TGT_DESC, from + copyLimits.cscd * Cscd.size)
  const targets: CopyTarget[] = []
  for (let i = from; i < from + length; i += Cscd.size) {
    const target = targetIn(task, list, i)
    if (typeof target === 'number') return target
    targets.push(target)
  }
  return targets
}

function segmentsIn(task: Task, list: Uint8Array, from: number, length: number): CopySegment[] | Status {
  const segments: CopySegment[] = []
  const end = from + length
  for (let i = from; i < end; i += BlockToBlock.size) {
    if (segments.length === copyLimits.segments) return at(task, Status.TOO_MANY_SEG_DESC, i)
    if (list[i] !== descriptorType.BLOCK_TO_BLOCK) return at(task, Status.NOTSUPP_SEG_DESC_TYPE, i)
    if (end - i < BlockToBlock.size) return Status.INVALID_PARAM_LIST_LEN
    const { dc, ...d } = BlockToBlock.decode(list, i)
    if (d.length !== BlockToBlock.size - SegmentHead.size) return task.invalidParameter(i + BlockToBlock.at.length)
    segments.push({ ...d, at: i, dc: dc === 1 })
  }
  return segments
}

/** Whether a CSCD descriptor ID says something (SPC-4 table 146); others are unreachable when their segment's turn comes. */
export const targetOf = (request: CopyRequest, id: number): CopyTarget | 'this unit' | undefined =>
  id === THIS_UNIT ? 'this unit' : request.targets[id]

/** The parameter list of an EXTENDED COPY; a status when any of it is wrong, and nothing has been copied then. */
export function parseCopy(task: Task, listLength: number, headerOf: typeof headerLid1): CopyRequest | Status {
  if (noDataOut(task)) return Status.INVALID_CDB
  if (listLength > HeaderLid4.size + copyLimits.descriptorBytes) return Status.INVALID_PARAM_LIST_LEN
  const list = task.parameters(listLength)
  if (list.length < listLength) return Status.INVALID_PARAM_LIST_LEN
  const h = headerOf(task, list)
  if (typeof h === 'number') return h
  const descriptors = h.cscdLength + h.segmentLength
  if (h.inlineLength || descriptors > copyLimits.descriptorBytes || h.size + descriptors > list.length) return Status.INVALID_PARAM_LIST_LEN
  const targets = targetsIn(task, list, h.size, h.cscdLength)
  if (typeof targets === 'number') return targets
  const segments = segmentsIn(task, list, h.size + h.cscdLength, h.segmentLength)
  if (typeof segments === 'number') return segments
  return { listIdentifier: h.listIdentifier, named: h.listIdUsage !== listIdUsage.NONE, immed: h.immed, targets, segments }
}
