import {
  Cache10, Cache16, CompareAndWrite, CopyAbort, CopyIn1, CopyIn4, CopyOut, CopyParameters, FormatUnit, Inquiry, LogSelect, LogSense, ModeSelect10, ModeSelect6, ModeSense10, ModeSense6, Plain6, ReadCapacity10, ReceiveDiagnostic, ReportOpcodes, ReportPortGroups, ReportReferrals,
  RequestSense, Rw10, Rw12, Rw16, Rw6, Sanitize, SendDiagnostic, ServiceActionIn16, SetPortGroups, StartStopUnit, Unmap, Verify10, Verify12, Verify16, WriteAtomic16,
  WriteSame10, WriteSame16,
} from '../scsi/cdb'
import { op, serviceAction } from '../scsi/opcodes'
import type { Layout, Members } from '../wire'

type Encoder<M extends Members> = (fields?: Omit<Parameters<Layout<M>['encode']>[0], 'op'>) => Uint8Array

/** A builder of CDBs: fields left out are zero. */
function shape<M extends Members>(code: number, cdb: Layout<M>, fixed: object = {}): Encoder<M> {
  return (fields) => cdb.encode({ op: code, ...fixed, ...fields } as Parameters<Layout<M>['encode']>[0])
}

/** CDBs by name, from the layouts that the host decodes them with. */
export const cdb = {
  testUnitReady: shape(op.TEST_UNIT_READY, Plain6),
  requestSense: shape(op.REQUEST_SENSE, RequestSense, { allocation: 252 }),
  inquiry: shape(op.INQUIRY, Inquiry, { allocation: 255 }),
  readCapacity10: shape(op.READ_CAPACITY_10, ReadCapacity10),
  readCapacity16: shape(op.SERVICE_ACTION_IN_16, ServiceActionIn16, { serviceAction: serviceAction.READ_CAPACITY_16, allocation: 32 }),
  getLbaStatus: shape(op.SERVICE_ACTION_IN_16, ServiceActionIn16, { serviceAction: serviceAction.GET_LBA_STATUS, allocation: 24 }),
  read6: shape(op.READ_6, Rw6),
  read10: shape(op.READ_10, Rw10),
  read12: shape(op.READ_12, Rw12),
  read16: shape(op.READ_16, Rw16),
  write6: shape(op.WRITE_6, Rw6),
  write10: shape(op.WRITE_10, Rw10),
  write12: shape(op.WRITE_12, Rw12),
  write16: shape(op.WRITE_16, Rw16),
  verify10: shape(op.VERIFY_10, Verify10),
  verify12: shape(op.VERIFY_12, Verify12),
  verify16: shape(op.VERIFY_16, Verify16),
  writeAndVerify10: shape(op.WRITE_AND_VERIFY_10, Verify10),
  compareAndWrite: shape(op.COMPARE_AND_WRITE, CompareAndWrite),
  writeSame10: shape(op.WRITE_SAME_10, WriteSame10),
  writeSame16: shape(op.WRITE_SAME_16, WriteSame16),
  unmap: shape(op.UNMAP, Unmap),
  orWrite16: shape(op.ORWRITE_16, Rw16),
  writeAtomic16: shape(op.WRITE_ATOMIC_16, WriteAtomic16),
  preFetch10: shape(op.PRE_FETCH_10, Cache10),
  preFetch16: shape(op.PRE_FETCH_16, Cache16),
  formatUnit: shape(op.FORMAT_UNIT, FormatUnit),
  sanitizeOverwrite: shape(op.SANITIZE, Sanitize, { serviceAction: serviceAction.SANITIZE_OVERWRITE }),
  sanitizeBlockErase: shape(op.SANITIZE, Sanitize, { serviceAction: serviceAction.SANITIZE_BLOCK_ERASE }),
  sanitizeExitFailureMode: shape(op.SANITIZE, Sanitize, { serviceAction: serviceAction.SANITIZE_EXIT_FAILURE_MODE }),
  extendedCopyLid1: shape(op.THIRD_PARTY_COPY_OUT, CopyOut, { serviceAction: serviceAction.EXTENDED_COPY_LID1 }),
  extendedCopyLid4: shape(op.THIRD_PARTY_COPY_OUT, CopyOut, { serviceAction: serviceAction.EXTENDED_COPY_LID4 }),
  copyOperationAbort: shape(op.THIRD_PARTY_COPY_OUT, CopyAbort, { serviceAction: serviceAction.COPY_OPERATION_ABORT }),
  receiveCopyStatusLid1: shape(op.THIRD_PARTY_COPY_IN, CopyIn1, { serviceAction: serviceAction.RECEIVE_COPY_STATUS_LID1, allocation: 512 }),
  receiveCopyParameters: shape(op.THIRD_PARTY_COPY_IN, CopyParameters, {
    serviceAction: serviceAction.RECEIVE_COPY_OPERATING_PARAMETERS, allocation: 512,
  }),
  receiveCopyFailureDetails: shape(op.THIRD_PARTY_COPY_IN, CopyIn1, {
    serviceAction: serviceAction.RECEIVE_COPY_FAILURE_DETAILS_LID1, allocation: 512,
  }),
  receiveCopyStatusLid4: shape(op.THIRD_PARTY_COPY_IN, CopyIn4, { serviceAction: serviceAction.RECEIVE_COPY_STATUS_LID4, allocation: 512 }),
  synchronizeCache10: shape(op.SYNCHRONIZE_CACHE_10, Cache10),
  synchronizeCache16: shape(op.SYNCHRONIZE_CACHE_16, Cache16),
  modeSense6: shape(op.MODE_SENSE_6, ModeSense6, { allocation: 192 }),
  modeSense10: shape(op.MODE_SENSE_10, ModeSense10, { allocation: 192 }),
  modeSelect6: shape(op.MODE_SELECT_6, ModeSelect6, { pf: 1 }),
  modeSelect10: shape(op.MODE_SELECT_10, ModeSelect10, { pf: 1 }),
  startStopUnit: shape(op.START_STOP_UNIT, StartStopUnit),
  sendDiagnostic: shape(op.SEND_DIAGNOSTIC, SendDiagnostic),
  receiveDiagnostic: shape(op.RECEIVE_DIAGNOSTIC_RESULTS, ReceiveDiagnostic),
  logSense: shape(op.LOG_SENSE, LogSense, { pc: 1 }),
  logSelect: shape(op.LOG_SELECT, LogSelect),
  reportOpcodes: shape(op.MAINTENANCE_IN, ReportOpcodes, {
    serviceAction: serviceAction.REPORT_SUPPORTED_OPERATION_CODES, allocation: 4096,
  }),
  reportReferrals: shape(op.SERVICE_ACTION_IN_16, ReportReferrals, { serviceAction: serviceAction.REPORT_REFERRALS, allocation: 4096 }),
  reportPortGroups: shape(op.MAINTENANCE_IN, ReportPortGroups, { serviceAction: serviceAction.REPORT_TARGET_PORT_GROUPS, allocation: 4096 }),
  setPortGroups: shape(op.MAINTENANCE_OUT, SetPortGroups, { serviceAction: serviceAction.SET_TARGET_PORT_GROUPS }),
}
