import type { Connection } from './connection'
import { ProtocolError } from './errors'
import {
  LogoutRequest, LogoutResponse, NO_TAG, NopIn, NopOut, Opcode, Reject, RejectReason, TaskManagement, TaskManagementResponse, TextRequest,
} from './pdu'
import { runTmf } from './task-management'

/** How one kind of request is taken in full feature phase. */
interface RequestRow {
  readonly opcode: number
  readonly name: string
  /** Allowed in discovery sessions (RFC 7143 4.3). */
  readonly discovery?: boolean
  /** The header is there. Left out: the data is collected for `pdu`. */
  readonly header?: (c: Connection) => void
  readonly pdu: (c: Connection) => void
}

const FINAL = 1
/** Task management functions of one session that may wait for commands to end. */
const MOST_FUNCTIONS = 32

/** Copy of the header at hand: what a REJECT carries. */
const rejected = (c: Connection): Uint8Array => Buffer.from(c.framing.header.subarray(0, Reject.size))

export function sendReject(c: Connection, reason: number): void {
  c.channel.send(Reject, { opcode: Opcode.REJECT, final: FINAL, reason, itt: NO_TAG }, rejected(c))
}

/** RFC 7143 11.18: echo; the answer to our own ping has no initiator task tag and needs none. */
function nopOut(c: Connection): void {
  const h = NopOut.decode(c.framing.header)
  if (h.itt === NO_TAG) return
  const data = Buffer.from(c.data)
  c.ordered(h.cmdSn, h.immediate === 1, () => {
    c.channel.send(NopIn, { opcode: Opcode.NOP_IN, final: FINAL, lunHigh: h.lunHigh, lunLow: h.lunLow, itt: h.itt, ttt: NO_TAG }, data.subarray(0, c.channel.parameters.MaxRecvDataSegmentLength))
  })
}

function taskManagement(c: Connection): void {
  const h = TaskManagement.decode(c.framing.header)
  const session = c.session!
  c.ordered(h.cmdSn, h.immediate === 1, () => {
    if (session.managing >= MOST_FUNCTIONS) throw new ProtocolError(`more than ${MOST_FUNCTIONS} task management functions at a time`, RejectReason.TOO_MANY_IMMEDIATE)
    session.managing++
    void manage(c, h).catch((e: unknown) => c.fail(e)).finally(() => session.managing--)
  })
}
async function manage(c: Connection, h: ReturnType<typeof TaskManagement.decode>): Promise<void> {
  const session = c.session!
  const { response, row } = await runTmf(session, h)
  c.log.info(`${session.nexus.name}: ${row?.name ?? `task management function ${h.function}`}: response ${response}`)
  if (session.ended) return
  c.channel.send(TaskManagementResponse, { opcode: Opcode.TASK_MANAGEMENT_RESPONSE, final: FINAL, response, itt: h.itt })
  if (row?.thenDisconnect) c.disconnectAll()
}

function text(c: Connection): void {
  const h = TextRequest.decode(c.framing.header)
  const data = Buffer.from(c.data)
  c.ordered(h.cmdSn, h.immediate === 1, () => c.text.request(c.channel, h, data))
}

/** RFC 7143 11.14.1: close the session, close this connection; there is no other connection and no recovery. */
const reason = { SESSION: 0, CONNECTION: 1, RECOVERY: 2 } as const
const logoutResponse = { DONE: 0, NO_CONNECTION: 1, NO_RECOVERY: 2 } as const

function logout(c: Connection): void {
  const h = LogoutRequest.decode(c.framing.header)
  c.ordered(h.cmdSn, h.immediate === 1, () => void leave(c, h).catch((e: unknown) => c.fail(e)))
}
async function leave(c: Connection, h: ReturnType<typeof LogoutRequest.decode>): Promise<void> {
  const answer = (response: number): void => c.channel.send(LogoutResponse, { opcode: Opcode.LOGOUT_RESPONSE, final: FINAL, response, itt: h.itt })
  if (h.reason === reason.CONNECTION && h.cid !== c.cid) return answer(logoutResponse.NO_CONNECTION)
  if (h.reason === reason.RECOVERY) return answer(logoutResponse.NO_RECOVERY)
  if (h.reason !== reason.SESSION && h.reason !== reason.CONNECTION) return sendReject(c, RejectReason.INVALID_FIELD)
  c.framing.stopped = true
  await c.session?.end()
  answer(logoutResponse.DONE)
  c.finish('logged out')
}

const rows: readonly RequestRow[] = [
  { opcode: Opcode.SCSI_COMMAND, name: 'SCSI Command', header: (c) => c.session!.commandHeader(), pdu: (c) => c.session!.commandDone() },
  { opcode: Opcode.DATA_OUT, name: 'Data-Out', header: (c) => c.session!.dataOutHeader(), pdu: (c) => c.session!.dataOutDone() },
  { opcode: Opcode.NOP_OUT, name: 'NOP-Out', discovery: true, pdu: nopOut },
  { opcode: Opcode.TASK_MANAGEMENT, name: 'Task Management Request', pdu: taskManagement },
  { opcode: Opcode.TEXT, name: 'Text Request', discovery: true, pdu: text },
  { opcode: Opcode.LOGOUT, name: 'Logout Request', discovery: true, pdu: logout },
  // ErrorRecoveryLevel 0 has nothing to send again (RFC 7143 11.16).
  { opcode: Opcode.SNACK, name: 'SNACK Request', pdu: (c) => sendReject(c, RejectReason.SNACK) },
  {
    opcode: Opcode.LOGIN, name: 'Login Request', discovery: true,
    pdu: () => {
      throw new ProtocolError('a login request came in full feature phase', RejectReason.PROTOCOL)
    },
  },
]

/** By operation code. */
export const requestTable: readonly (RequestRow | undefined)[] = Array.from({ length: 64 }, (_, opcode) => rows.find((row) => row.opcode === opcode))
