import { MAX_CDB, type Task } from '@tcmu/host/scsi'
import { ProtocolError } from './errors'
import { AdditionalHeader, AhsType, BHS, CDB_IN_HEADER, RejectReason } from './pdu'

const WORD = 4
/** AHSLength does not count itself and the type (RFC 7143 11.2.2.1). */
const UNCOUNTED = AdditionalHeader.at.specific

const wrong = (what: string): ProtocolError => new ProtocolError(`an additional header segment ${what}`, RejectReason.INVALID_FIELD)

/**
 * Take the additional headers of a SCSI command into its task; tells whether it is bidirectional. Throws a
 * ProtocolError when they do not lie inside their `length` bytes.
 */
export function readAdditional(header: Uint8Array, length: number, task: Task): boolean {
  let bidirectional = false
  const end = BHS + length
  for (let at = BHS; at < end; ) {
    if (at + AdditionalHeader.size > end) throw wrong('is cut off')
    const h = AdditionalHeader.decode(header, at)
    const next = at + Math.ceil((UNCOUNTED + h.ahsLength) / WORD) * WORD
    if (h.ahsLength < 1 || next > end) throw wrong(`says it has ${h.ahsLength} bytes`)
    if (h.type === AhsType.EXTENDED_CDB) extendCdb(header.subarray(at + AdditionalHeader.size, at + UNCOUNTED + h.ahsLength), task)
    else if (h.type === AhsType.BIDIRECTIONAL_READ_LENGTH) bidirectional = true
    else throw wrong(`has the unknown type ${h.type}`)
    at = next
  }
  return bidirectional
}

function extendCdb(rest: Uint8Array, task: Task): void {
  if (task.cdbLength > CDB_IN_HEADER) throw wrong('extends the CDB a second time')
  if (CDB_IN_HEADER + rest.length > MAX_CDB) throw wrong(`makes a CDB of ${CDB_IN_HEADER + rest.length} bytes`)
  task.cdb.set(rest, CDB_IN_HEADER)
  task.cdbLength = CDB_IN_HEADER + rest.length
}
