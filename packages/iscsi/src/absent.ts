import { cdb as cdbs, fixedSense, op, sam, sense, senseKey, StandardInquiry, Status, statusRow, type Task } from '@tcmu/host/scsi'
import { MAX_LUN } from './lun-address'
import { listLuns, ReportLuns } from './report-luns'

/** What a session asks of whatever a LUN field addresses: a logical unit, or one of the stand-ins below. */
export interface Responder {
  transferOf(task: Task): number
  execute(task: Task): void
}

interface Row {
  readonly allocation: (cdb: Uint8Array) => number
  /** A copy of the answer is cut to the allocation length. */
  readonly data?: (task: Task) => Uint8Array | Status
}
/** REPORT LUNS of as many LUNs as there can be is the longest answer, whatever room the initiator offers. */
const MOST_DATA = 8 * (MAX_LUN + 2)
type Rows = ReadonlyMap<number, Row>

const SPC_4 = 6
const RESPONSE_FORMAT = 2
const inquiryData = (qualifier: number, deviceType: number): Uint8Array =>
  StandardInquiry.encode({
    qualifier, deviceType, version: SPC_4, responseFormat: RESPONSE_FORMAT, hiSup: 1,
    additionalLength: StandardInquiry.size - StandardInquiry.at.additionalLength - 1, cmdQue: 1,
  })

function inquiry(data: Uint8Array): Row {
  return {
    allocation: (cdb) => cdbs.Inquiry.decode(cdb).allocation,
    data: (task) => (cdbs.Inquiry.decode(task.cdb).evpd ? task.invalidCdb(cdbs.Inquiry.at.evpd, 0) : data),
  }
}
const requestSense = (key: number, code: (typeof sense)[keyof typeof sense]): Row => ({
  allocation: (cdb) => cdbs.RequestSense.decode(cdb).allocation,
  data: () => fixedSense(key, code),
})
const reportLuns = (numbers: () => Iterable<number>): Row => ({
  allocation: (cdb) => ReportLuns.decode(cdb).allocation,
  data: (task) => listLuns(numbers(), ReportLuns.decode(task.cdb).select) ?? task.invalidCdb(ReportLuns.at.select),
})

/** SPC-4 6.6.2: qualifier 011b and type 1Fh, the target could not support a device here. */
const NOT_CAPABLE = { qualifier: 3, deviceType: 0x1f }
const WELL_KNOWN = { qualifier: 0, deviceType: 0x1e }

class StandIn implements Responder {
  constructor(private readonly rows: Rows, private readonly otherwise: Status) {}

  transferOf(task: Task): number {
    return Math.min(MOST_DATA, task.expected, this.rows.get(task.cdb[0]!)?.allocation(task.cdb) ?? 0)
  }

  execute(task: Task): void {
    const row = this.rows.get(task.cdb[0]!)
    const answer = row ? (row.data?.(task) ?? Status.OK) : this.otherwise
    if (typeof answer !== 'number') task.respond(answer, row!.allocation(task.cdb))
    else fail(task, answer)
    task.finish()
  }
}

function fail(task: Task, status: Status): void {
  const row = statusRow(status)
  task.status = row.sam
  if (row.sam === sam.CHECK_CONDITION && row.sense && row.sense !== 'task') task.setSense(fixedSense(row.sense.key, row.sense.code, task.detail))
}

/** Answers for LUNs that there are not (SPC-4 4.3, SAM-5 4.6.4): who they are, which there are, and nothing else. */
export const absentLun = (numbers: () => Iterable<number>): Responder =>
  new StandIn(new Map([
    [op.INQUIRY, inquiry(inquiryData(NOT_CAPABLE.qualifier, NOT_CAPABLE.deviceType))],
    [op.REQUEST_SENSE, requestSense(senseKey.ILLEGAL_REQUEST, sense.LOGICAL_UNIT_NOT_SUPPORTED)],
    [op.REPORT_LUNS, reportLuns(numbers)],
  ]), Status.LU_NOT_SUPPORTED)

/** The REPORT LUNS well-known logical unit (SPC-4 8.2). */
export const wellKnownLun = (numbers: () => Iterable<number>): Responder =>
  new StandIn(new Map<number, Row>([
    [op.TEST_UNIT_READY, { allocation: () => 0 }],
    [op.INQUIRY, inquiry(inquiryData(WELL_KNOWN.qualifier, WELL_KNOWN.deviceType))],
    [op.REQUEST_SENSE, requestSense(senseKey.NO_SENSE, sense.NO_ADDITIONAL_SENSE_INFORMATION)],
    [op.REPORT_LUNS, reportLuns(numbers)],
  ]), Status.INVALID_CMD)

