import { program } from '../../packages/host/src/cli/program'
import { configSchema } from '../../packages/host/src/control/config-schema'
import { Ability, abilityMeanings, AnswerFrame, Hello, ops as execOps, RequestFrame, Welcome } from '../../packages/handler-exec/src/frames'
import { CmdRequest, CmdResponse, EntryHeader, Iovec, Mailbox, TmrEntry } from '../../packages/host/src/ring/abi'
import { LoginStatus, portalErrors } from '../../packages/iscsi/src/errors'
import { type KeyRow, keyTable } from '../../packages/iscsi/src/negotiation'
import { defaultLimits, type PortalLimits } from '../../packages/iscsi/src/options'
import { taskManagement } from '../../packages/iscsi/src/task-management'
import { IoOp } from '../../native'
import { table } from './markdown'

type Rows = string[][]
const code = (text: string): string => `\`${text}\``
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0')

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly enum?: readonly (string | number)[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
}

const kind = (s: Schema): string => (s.enum ? s.enum.map((v) => code(String(v))).join(' ') : s.anyOf ? s.anyOf.map(kind).join(' or ') : (s.type ?? ''))

/** Every key of the configuration file, `.` below an object and `[].` below a list. */
export function configRows(schema: Schema = configSchema, prefix = ''): Rows {
  return Object.entries(schema.properties ?? {}).flatMap(([name, s]) => [
    [code(prefix + name), kind(s) + (s.items?.type === 'string' ? ' of strings' : ''), schema.required?.includes(name) ? 'yes' : '', s.description ?? ''],
    ...configRows(s, `${prefix}${name}.`), ...(s.items?.properties ? configRows(s.items, `${prefix}${name}[].`) : []),
  ])
}

/** Flags of `serve` and the key of the configuration file that each wins over. */
const keyOfFlag: Readonly<Record<string, string>> = {
  '--handler-root': 'handlerRoot', '--log-level': 'logLevel', '--portal': 'portal', '--lun': 'luns', '--target-name': 'targetName', '--chap-user': 'chap.user',
  '--io-engine': 'ioEngine', '--chap-secret-file': 'chap.secretFile', '--chap-mutual-user': 'chap.mutualUser', '--chap-mutual-secret-file': 'chap.mutualSecretFile',
}
function flagRows(): Rows {
  const serve = program({ env: {}, uid: 0 }, () => undefined).commands.find((c) => c.name() === 'serve')!
  return serve.options.map((o) => [code(o.flags), o.description, keyOfFlag[o.long!] ? code(keyOfFlag[o.long!]!) : ''])
}

const results: Readonly<Record<KeyRow['kind'], string>> = {
  list: 'the first of the offer that we have', minimum: 'the smaller number', maximum: 'the larger number', and: 'Yes if both say Yes', or: 'Yes if one says Yes',
  declare: 'each side says what it takes',
}
const said = (v: KeyRow['ours'] | KeyRow['initial']): string => (typeof v === 'boolean' ? (v ? 'Yes' : 'No') : typeof v === 'object' ? v.join(',') : String(v))
const keyRows = (): Rows => keyTable.map((k) => [code(k.name), said(k.ours), said(k.initial), k.from === undefined ? '' : `${k.from} to ${k.to}`, results[k.kind]])

const limitMeanings: Readonly<Record<keyof PortalLimits, string>> = {
  connections: 'connections that have logged in; one more is closed as it comes',
  logins: 'connections that have not logged in; one more, and the oldest of them is closed',
  loginSeconds: 'how long a login may take',
  pingSeconds: 'silence after which the initiator is sent a NOP-In',
  pongSeconds: 'how long it may then stay silent',
  dataSeconds: 'how long Data-Out that was announced or asked for may take to come',
  bufferBytes: 'memory for data of commands, all sessions together',
  queuedBytes: 'answers that wait for one peer to read them, before nothing more is read from it',
  commands: 'commands under way of one session: its window of CmdSN',
}
const limitRows = (): Rows => (Object.keys(limitMeanings) as (keyof PortalLimits)[]).map((k) => [code(k), String(defaultLimits[k]), limitMeanings[k]])

const tmfEffects: Readonly<Record<number, string>> = {
  1: 'that command ends without an answer', 2: "this session's commands on the LUN end without an answer", 3: 'answered "not supported": NACA is refused, so there is no ACA',
  4: 'all commands on the LUN end; those of others are answered TASK ABORTED, and who lost some gets 2F/00',
  5: 'all commands on the LUN end, those of others with TASK ABORTED; RESERVE is released; everybody gets 29/03', 6: 'as LOGICAL UNIT RESET on every LUN',
  7: 'as TARGET WARM RESET; then every connection is closed', 8: 'answered "reassignment not supported": ErrorRecoveryLevel is 0',
}
const tmfRows = (): Rows => [...taskManagement.values()].map((row) => [String(row.code), row.name, tmfEffects[row.code] ?? '?'])

const loginMeanings: Readonly<Partial<Record<keyof typeof LoginStatus, string>>> = {
  INITIATOR_ERROR: 'the login breaks the protocol', AUTHENTICATION_FAILED: 'wrong user or secret, no CHAP where it is asked for, or CHAP where none is set up',
  FORBIDDEN: 'the initiator is not in `acl`', NOT_FOUND: 'there is no such target here', VERSION: 'no protocol version in common',
  TOO_MANY_CONNECTIONS: 'a second connection for a session', MISSING_PARAMETER: 'InitiatorName or TargetName is missing', SESSION_TYPE: 'neither a normal nor a discovery session',
  NO_SESSION: 'a connection for a session that is not there',
  UNAVAILABLE: 'commands of the session before do not end; the initiator may try again',
}
const loginRows = (): Rows => Object.entries(loginMeanings).map(([name, text]) => [hex(LoginStatus[name as keyof typeof LoginStatus], 4), text])

interface Described { readonly name: string; readonly size: number; readonly at: object }
const offsetRows = (layouts: readonly Described[]): Rows => layouts.flatMap((l) =>
  Object.entries(l.at as Readonly<Record<string, number>>).map(([field, at], i) => [i === 0 ? code(l.name) : '', i === 0 ? String(l.size) : '', String(at), code(field)]))

const layoutRows = (): Rows => offsetRows([Mailbox, EntryHeader, CmdRequest, Iovec, CmdResponse, TmrEntry])
const execAnswers: Readonly<Partial<Record<keyof typeof execOps, string>>> = { hello: '`exec_welcome`', read: '`length` bytes', cancel: 'none' }
const execOpRows = (): Rows => (Object.keys(execOps) as (keyof typeof execOps)[]).map((key) => {
  const { code: n, name, asks, needs } = execOps[key]
  return [String(n), name, asks, execAnswers[key] ?? 'nothing', needs ?? '']
})
const abilityRows = (): Rows => (Object.keys(Ability) as (keyof typeof Ability)[]).map((name) => [String(Ability[name]), name, abilityMeanings[name]])

const ioMeanings: Readonly<Record<keyof typeof IoOp, string>> = {
  READV: 'preadv2; RWF_NOWAIT first', WRITEV: 'pwritev2; RWF_NOWAIT first, RWF_DSYNC with IO_SYNC', SYNC: 'fsync', DATA_SYNC: 'fdatasync', ALLOCATE: 'fallocate', PUNCH: 'fallocate, a hole',
  ZERO: 'fallocate, a range of zeroes', SEEK_DATA: 'lseek to data', SEEK_HOLE: 'lseek to a hole', SEEK_WRITTEN: 'FIEMAP, to storage that was written', SEEK_UNWRITTEN: 'FIEMAP, to storage that was not', SIZE: 'size of the file or device', TRUNCATE: 'ftruncate',
  CLOSE: 'close, after all else on that file', WRITE_SAME: 'EOPNOTSUPP; images of storage libraries have it', COMPARE_AND_WRITE: 'EOPNOTSUPP; images of Ceph have it',
}
const ioRows = (): Rows => Object.entries(IoOp).map(([name, n]) => [String(n), code(name), ioMeanings[name as keyof typeof IoOp]])

/** Tables of the pages for operators, by the name documents call them with. */
export const operatorTables: Readonly<Record<string, () => string>> = {
  config: () => table(['Key', 'Value', 'Required', 'Meaning'], configRows()),
  'serve-flags': () => table(['Flag', 'Meaning', 'Wins over the key'], flagRows()),
  'portal-errors': () => table(['Code', 'Says'], Object.entries(portalErrors).map(([name, text]) => [code(name), text])),
  'iscsi-keys': () => table(['Key', 'Ours', 'When not sent', 'Range', 'Result'], keyRows()),
  'iscsi-limits': () => table(['Limit', 'Default', 'Meaning'], limitRows()),
  'iscsi-tmf': () => table(['Function', 'Name', 'What happens'], tmfRows()),
  'login-status': () => table(['Status', 'Meaning'], loginRows()),
  'exec-layouts': () => table(['Structure', 'Bytes', 'Offset', 'Field'], offsetRows([RequestFrame, AnswerFrame, Hello, Welcome])),
  'exec-ops': () => table(['Number', 'Request', 'Asks', 'Payload of the answer', 'Needs the ability'], execOpRows()),
  'exec-abilities': () => table(['Bit', 'Ability', 'Means'], abilityRows()),
  'ring-layouts': () => table(['Structure', 'Bytes', 'Offset', 'Field'], layoutRows()),
  'io-operations': () => table(['Number', 'Name', 'Becomes'], ioRows()),
}
