import { MAX_CDB } from '../scsi/task'

const VARIABLE_LENGTH = 0x7f
/** SPC-4 4.2.5.3: ADDITIONAL CDB LENGTH counts what follows byte 7. */
const ADDITIONAL_LENGTH = 7
/** CDB length by group code, the top three bits of the operation code (SPC-4 4.2.5.1); 0: the group does not say. */
const lengthOfGroup = Uint8Array.of(6, 10, 10, 0, 16, 12, 0, 0)
/** The same for all CDBs with that operation code; 0: it takes a look at the rest. */
export const fixedCdbLength = (opcode: number): number => lengthOfGroup[opcode >>> 5]!

/**
 * Length of the CDB that starts at `at` and has `room` bytes to the end of its entry. Reserved and vendor groups get all
 * the room. 0 when the CDB does not fit.
 */
export function cdbLengthAt(bytes: Uint8Array, at: number, room: number): number {
  const opcode = bytes[at]
  let length = lengthOfGroup[opcode >>> 5]
  if (opcode === VARIABLE_LENGTH) {
    if (room <= ADDITIONAL_LENGTH) return 0
    length = ADDITIONAL_LENGTH + 1 + bytes[at + ADDITIONAL_LENGTH]
  } else if (length === 0) {
    length = room < MAX_CDB ? room : MAX_CDB
  }
  return length <= room && length <= MAX_CDB ? length : 0
}
