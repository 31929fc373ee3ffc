import { type LogicalUnit, Status } from '@tcmu/host/scsi'
import type { Session } from './session'
import { before } from './window'

/** RFC 7143 11.6.1. */
export const TmfResponse = {
  COMPLETE: 0, NO_TASK: 1, NO_LUN: 2, STILL_ALLEGIANT: 3, NO_REASSIGNMENT: 4, NOT_SUPPORTED: 5, NOT_AUTHORIZED: 6, REJECTED: 255,
} as const
export type TmfResponse = (typeof TmfResponse)[keyof typeof TmfResponse]

/** A task management request, decoded. */
export interface TmfRequest {
  readonly function: number
  readonly lunHigh: number
  readonly lunLow: number
  readonly referencedTag: number
  readonly refCmdSn: number
  readonly cmdSn: number
}

interface TmfRow {
  readonly code: number
  readonly name: string
  /** What follows the response: all connections end. */
  readonly thenDisconnect?: boolean
  readonly run: (session: Session, request: TmfRequest) => Promise<TmfResponse>
}

const { COMPLETE, NO_TASK, NO_LUN } = TmfResponse

/** Run `work` on the logical unit that the request names. */
const onUnit = (work: (session: Session, lu: LogicalUnit) => Promise<void>): TmfRow['run'] => async (session, request) => {
  const lu = session.target.unit(request.lunHigh, request.lunLow)
  if (!lu) return NO_LUN
  await work(session, lu)
  return COMPLETE
}
const refused = (response: TmfResponse): TmfRow['run'] => () => Promise.resolve(response)

/** RFC 7143 11.5.5: a command that has been answered, or never came, counts as aborted when its CmdSN says it was sent. */
async function abortTask(session: Session, request: TmfRequest): Promise<TmfResponse> {
  const found = await session.abort((task) => task.itt === request.referencedTag)
  if (found > 0) return COMPLETE
  const { refCmdSn, cmdSn } = request
  const inWindow = !before(refCmdSn, session.window.expected) && !before(session.window.maximum, refCmdSn)
  return inWindow && before(refCmdSn, cmdSn) ? COMPLETE : NO_TASK
}

async function abortTaskSet(session: Session, lu: LogicalUnit): Promise<void> {
  await session.abort((task) => task.lu === lu)
}

/** Every session's commands; those of others are answered TASK ABORTED. Resolves with the other sessions that lost some. */
async function clear(session: Session, lu: LogicalUnit): Promise<Session[]> {
  const sessions = [...session.target.sessions]
  const lost = await Promise.all(sessions.map((s) => s.abort((task) => task.lu === lu, s !== session)))
  return sessions.filter((s, i) => s !== session && lost[i]! > 0)
}

async function clearTaskSet(session: Session, lu: LogicalUnit): Promise<void> {
  for (const other of await clear(session, lu)) lu.attend(other.nexus, Status.COMMANDS_CLEARED)
}

async function resetUnit(session: Session, lu: LogicalUnit): Promise<void> {
  await clear(session, lu)
  await session.target.reset(lu)
}

async function resetTarget(session: Session): Promise<TmfResponse> {
  await Promise.all([...session.target.luns.values()].map((lu) => resetUnit(session, lu)))
  return COMPLETE
}

/** RFC 7143 11.5.1. */
const rows: readonly TmfRow[] = [
  { code: 1, name: 'ABORT TASK', run: abortTask },
  { code: 2, name: 'ABORT TASK SET', run: onUnit(abortTaskSet) },
  { code: 3, name: 'CLEAR ACA', run: refused(TmfResponse.NOT_SUPPORTED) },
  { code: 4, name: 'CLEAR TASK SET', run: onUnit(clearTaskSet) },
  { code: 5, name: 'LOGICAL UNIT RESET', run: onUnit(resetUnit) },
  { code: 6, name: 'TARGET WARM RESET', run: resetTarget },
  { code: 7, name: 'TARGET COLD RESET', run: resetTarget, thenDisconnect: true },
  { code: 8, name: 'TASK REASSIGN', run: refused(TmfResponse.NO_REASSIGNMENT) },
]
export const taskManagement: ReadonlyMap<number, TmfRow> = new Map(rows.map((row) => [row.code, row]))

/** A handler that does not let go of a command must not leave the initiator without an answer. */
const LONGEST_MS = 30_000

/** Run a function; it counts as rejected when it does not end in time. */
export async function runTmf(session: Session, request: TmfRequest): Promise<{ response: TmfResponse; row: TmfRow | undefined }> {
  const row = taskManagement.get(request.function)
  if (!row) return { response: TmfResponse.NOT_SUPPORTED, row }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<TmfResponse>((resolve) => (timer = setTimeout(() => resolve(TmfResponse.REJECTED), LONGEST_MS).unref()))
  const response = await Promise.race([row.run(session, request), late])
  clearTimeout(timer)
  return { response, row }
}
