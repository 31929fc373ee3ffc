import { bytes, layout, skip, u16le, u32le, u64le, u8 } from '../wire'

/**
 * The shared memory of a TCMU device, as <linux/target_core_user.h> of x86-64 and arm64 lays it out (test/abi compiles
 * that header and compares). Integers are host-endian; a big-endian host is refused by the version check.
 */
export const MAILBOX_VERSION = 2

/** Mailbox `flags`: what the kernel can do. */
export const MailboxFlag = { OOOC: 0x1, READ_LEN: 0x2, TMR: 0x4, KEEP_BUF: 0x8 } as const

/** Low bits of `len_op`. */
export const Op = { PAD: 0, CMD: 1, TMR: 2 } as const
export const OP_MASK = 0x7

/** Entry `uflags`: what user space says of an entry. */
export const UserFlag = { UNKNOWN_OP: 0x1, READ_LEN: 0x2, KEEP_BUF: 0x4 } as const

/** Why a TMR entry was posted. PR_OUT is the pseudo reset of PERSISTENT RESERVE OUT with PREEMPT AND ABORT. */
export const TmrType = {
  UNKNOWN: 0,
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LUN_RESET: 5,
  TARGET_WARM_RESET: 6,
  TARGET_COLD_RESET: 7,
  LUN_RESET_PRO: 128,
} as const

/** Entries start and end on multiples of this. */
export const ENTRY_ALIGN = 8
export const SENSE_SIZE = 96

export const Mailbox = layout('tcmu_mailbox', {
  version: u16le,
  flags: u16le,
  cmdrOff: u32le,
  cmdrSize: u32le,
  cmdHead: u32le,
  pad1: skip(48),
  cmdTail: u32le,
  pad2: skip(60),
}, { size: 128 })

export const EntryHeader = layout('tcmu_cmd_entry_hdr', {
  lenOp: u32le,
  cmdId: u16le,
  kflags: u8,
  uflags: u8,
}, { size: 8 })

/** A command as the kernel posts it; `iov_cnt + iov_bidi_cnt` iovecs follow, the CDB is at `cdbOff` of the mapping. */
export const CmdRequest = layout('tcmu_cmd_entry.req', {
  header: skip(EntryHeader.size),
  iovCnt: u32le,
  iovBidiCnt: u32le,
  iovDifCnt: u32le,
  pad0: skip(4),
  cdbOff: u64le,
  pad: skip(16),
}, { size: 48 })

/** `base` counts from the start of the mapping. */
export const Iovec = layout('iovec', { base: u64le, length: u64le }, { size: 16 })

/** The answer, laid over the request. */
export const CmdResponse = layout('tcmu_cmd_entry.rsp', {
  header: skip(EntryHeader.size),
  scsiStatus: u8,
  pad: skip(3),
  readLen: u32le,
  sense: bytes(SENSE_SIZE),
}, { size: 112 })

/** Task management notice; `cmdCnt` command ids follow. */
export const TmrEntry = layout('tcmu_tmr_entry', {
  header: skip(EntryHeader.size),
  tmrType: u8,
  pad1: skip(3),
  cmdCnt: u32le,
  pad2: skip(16),
}, { size: 32 })
export const TMR_ID_SIZE = u16le.size

const roundUp = (n: number): number => Math.ceil(n / ENTRY_ALIGN) * ENTRY_ALIGN

/** Where the kernel puts the CDB of an entry with that many iovecs: room for the response is kept free. */
export const cmdBaseSize = (iovecs: number): number => Math.max(CmdRequest.size + Iovec.size * iovecs, CmdResponse.size)
export const cmdEntrySize = (iovecs: number, cdbLength: number): number => cmdBaseSize(iovecs) + roundUp(cdbLength)
export const tmrEntrySize = (ids: number): number => roundUp(TmrEntry.size + TMR_ID_SIZE * ids)
