import { AssertionError } from 'node:assert'
import { sam, sense, type SenseCode, type SenseKey, senseKey } from '../scsi'
import { describeAnswer, type ScsiAnswer } from './answer'

function fail(answer: ScsiAnswer, wanted: string, from: (...args: never[]) => unknown): never {
  throw new AssertionError({ message: `expected ${wanted}, got ${describeAnswer(answer)}`, actual: describeAnswer(answer), expected: wanted, stackStartFn: from })
}

/** An expectation that throws an AssertionError saying what came instead, and gives the answer back. */
export type Expectation = (answer: ScsiAnswer) => ScsiAnswer

/** Any SAM status without sense data. */
export function expectStatus(answer: ScsiAnswer, status: number): ScsiAnswer {
  if (answer.status !== status) fail(answer, describeAnswer({ status, key: -1, asc: -1 }), expectStatus)
  return answer
}

/** CHECK CONDITION with this key and code. */
export function expectCheck(answer: ScsiAnswer, key: SenseKey, code: SenseCode): ScsiAnswer {
  if (answer.status !== sam.CHECK_CONDITION || answer.key !== key || answer.asc !== code.asc) {
    fail(answer, describeAnswer({ status: sam.CHECK_CONDITION, key, asc: code.asc }), expectCheck)
  }
  return answer
}

const check = (key: SenseKey, code: SenseCode): Expectation => (answer) => expectCheck(answer, key, code)
const status = (code: number): Expectation => (answer) => expectStatus(answer, code)
const illegal = (code: SenseCode): Expectation => check(senseKey.ILLEGAL_REQUEST, code)

export const expectGood = status(sam.GOOD)
export const expectConditionMet = status(sam.CONDITION_MET)
export const expectBusy = status(sam.BUSY)
export const expectReservationConflict = status(sam.RESERVATION_CONFLICT)
export const expectTaskSetFull = status(sam.TASK_SET_FULL)
export const expectTaskAborted = status(sam.TASK_ABORTED)

export const expectInvalidOpcode = illegal(sense.INVALID_COMMAND_OPERATION_CODE)
export const expectInvalidField = illegal(sense.INVALID_FIELD_IN_CDB)
export const expectInvalidParameter = illegal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
export const expectParameterListLength = illegal(sense.PARAMETER_LIST_LENGTH_ERROR)
export const expectLbaOutOfRange = illegal(sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
export const expectMiscompare = check(senseKey.MISCOMPARE, sense.MISCOMPARE_DURING_VERIFY_OPERATION)
export const expectWriteProtected = check(senseKey.DATA_PROTECT, sense.WRITE_PROTECTED)
export const expectReadError = check(senseKey.MEDIUM_ERROR, sense.UNRECOVERED_READ_ERROR)
export const expectWriteError = check(senseKey.MEDIUM_ERROR, sense.WRITE_ERROR)
export const expectInternalFailure = check(senseKey.HARDWARE_ERROR, sense.INTERNAL_TARGET_FAILURE)
export const expectNotReady = check(senseKey.NOT_READY, sense.LOGICAL_UNIT_COMMUNICATION_FAILURE)
export const expectFormatInProgress = check(senseKey.NOT_READY, sense.FORMAT_IN_PROGRESS)

/** UNIT ATTENTION with this code. */
export const expectAttention = (answer: ScsiAnswer, code: SenseCode): ScsiAnswer => expectCheck(answer, senseKey.UNIT_ATTENTION, code)

/** GOOD, with exactly these bytes of Data-In. */
export function expectData(answer: ScsiAnswer, wanted: Uint8Array): ScsiAnswer {
  expectGood(answer)
  const at = answer.data.findIndex((b, i) => b !== wanted[i])
  if (answer.data.length === wanted.length && at < 0) return answer
  const what = answer.data.length !== wanted.length ? `${answer.data.length} bytes` : `0x${answer.data[at].toString(16)} at byte ${at}`
  const instead = answer.data.length !== wanted.length ? `${wanted.length} bytes` : `0x${wanted[at].toString(16)}`
  throw new AssertionError({ message: `expected Data-In of ${instead}, got ${what}`, stackStartFn: expectData })
}

/** GOOD, with so many bytes of Data-In missing. */
export function expectResidual(answer: ScsiAnswer, bytes: number): ScsiAnswer {
  expectGood(answer)
  if (answer.residual === bytes) return answer
  throw new AssertionError({ message: `expected a residual of ${bytes} bytes, got ${answer.residual}`, actual: answer.residual, expected: bytes, stackStartFn: expectResidual })
}
