import { layout, skip, u16be, u8, Segments } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ReceiveDiagnostic, SendDiagnostic } from '../cdb'
import { selfTestResult } from '../log-pages/self-test'
import type { Lun, Result, SelfTest } from '../lun'
import { noDataOut } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SPC-4 7.2.1 */
const DiagnosticPage = layout('diagnostic_page', { code: u8, specific: skip(1), length: u16be }, { size: 4 })
const SUPPORTED_PAGES = 0x00

/** SPC-4 table 249: what SELF-TEST CODE asks for, and how many blocks of the medium are read for it. */
interface TestKind {
  readonly blocks: number
  readonly background: boolean
}
const SHORT = 3
const EXTENDED = 256
const kinds: Readonly<Record<number, TestKind>> = {
  1: { blocks: SHORT, background: true }, 2: { blocks: EXTENDED, background: true },
  5: { blocks: SHORT, background: false }, 6: { blocks: EXTENDED, background: false },
}
const ABORT_BACKGROUND = 4

/** Read `count` blocks spread over the medium, the first and the last among them. */
async function readSamples(lun: Lun, count: number, signal: AbortSignal): Promise<boolean> {
  const last = lun.blocks - 1
  const data = Segments.allocate(lun.blockSize)
  for (let i = 0; i < count && !signal.aborted; i++) {
    const lba = count === 1 ? 0 : Math.floor((last / (count - 1)) * i)
    const status = await lun.ops.read({ data, offset: lba * lun.blockSize, length: lun.blockSize, fua: false, signal })
    if (status !== Status.OK) return false
  }
  return true
}

/** Run a self-test to its end and write that into its entry of the log. Never rejects. */
async function carryOut(lun: Lun, test: SelfTest, blocks: number, signal: AbortSignal): Promise<void> {
  const passed = await readSamples(lun, blocks, signal).catch(() => false)
  test.result = signal.aborted ? selfTestResult.ABORTED_BY_COMMAND : passed ? selfTestResult.PASSED : selfTestResult.FAILED
}

async function inForeground(lun: Lun, task: Task, code: number, blocks: number): Promise<Status> {
  const test = lun.history!.selfTests.begin(code)
  await carryOut(lun, test, blocks, task.signal)
  return test.result === selfTestResult.FAILED ? Status.SELF_TEST_FAILED : Status.OK
}

function inBackground(lun: Lun, code: number, blocks: number): Status {
  const controller = new AbortController()
  const done = carryOut(lun, lun.history!.selfTests.begin(code), blocks, controller.signal).then(() => {
    lun.history!.selfTests.background = undefined
  })
  lun.history!.selfTests.background = {
    stop() {
      controller.abort()
      return done
    },
  }
  return Status.OK
}

type Diagnostic = { selfTestCode: number; selfTest: number; pf: number; listLength: number }

/** A parameter list may ask for the list of pages, which RECEIVE DIAGNOSTIC RESULTS then returns. */
function takePage(task: Task, c: Diagnostic): Status {
  if (!c.pf) return invalidField(task, 'pf', 4)
  if (noDataOut(task)) return Status.INVALID_CDB
  const list = task.parameters(c.listLength)
  if (list.length < c.listLength || list.length < DiagnosticPage.size) return Status.INVALID_PARAM_LIST_LEN
  const { code, length } = DiagnosticPage.decode(list)
  if (code !== SUPPORTED_PAGES) return task.invalidParameter(DiagnosticPage.at.code)
  if (length !== 0) return task.invalidParameter(DiagnosticPage.at.length)
  return list.length === DiagnosticPage.size ? Status.OK : Status.INVALID_PARAM_LIST_LEN
}

function namedTest(lun: Lun, task: Task, c: Diagnostic): Result {
  if (c.selfTest) return invalidField(task, 'selfTest', 2)
  if (c.pf) return invalidField(task, 'pf', 4)
  if (c.listLength) return invalidField(task, 'listLength')
  const running = lun.history!.selfTests.background
  if (c.selfTestCode === ABORT_BACKGROUND) return running ? running.stop().then(() => Status.OK) : invalidField(task, 'selfTestCode', 7)
  const kind = kinds[c.selfTestCode]
  if (!kind) return invalidField(task, 'selfTestCode', 7)
  if (running) return Status.SELF_TEST_RUNNING
  return kind.background ? inBackground(lun, c.selfTestCode, kind.blocks) : inForeground(lun, task, c.selfTestCode, kind.blocks)
}

/** SPC-4 6.42: the default self-test reads the first block. */
function runSendDiagnostic(lun: Lun, task: Task, c: Diagnostic): Result {
  if (c.selfTestCode !== 0) return namedTest(lun, task, c)
  if (c.selfTest) {
    if (c.listLength) return invalidField(task, 'listLength')
    return readSamples(lun, 1, task.signal).then((passed) => (passed ? Status.OK : Status.SELF_TEST_FAILED))
  }
  return c.listLength === 0 ? Status.OK : takePage(task, c)
}

/** SPC-4 6.28: the list of pages, which is the only one. */
function runReceiveDiagnostic(_lun: Lun, task: Task, c: { pcv: number; page: number; allocation: number }): Result {
  if (c.page !== SUPPORTED_PAGES) return invalidField(task, c.pcv ? 'page' : 'pcv', c.pcv ? -1 : 0)
  const list = Uint8Array.of(SUPPORTED_PAGES)
  return task.respond(Buffer.concat([DiagnosticPage.encode({ code: SUPPORTED_PAGES, length: list.length }), list]), c.allocation)
}

export const sendDiagnostic = command({
  op: op.SEND_DIAGNOSTIC, name: 'SEND DIAGNOSTIC', cdb: SendDiagnostic, access: 'read', dataDirection: 'out', transfer: (c) => c.listLength,
  run: runSendDiagnostic,
})
export const receiveDiagnosticResults = command({
  op: op.RECEIVE_DIAGNOSTIC_RESULTS, name: 'RECEIVE DIAGNOSTIC RESULTS', cdb: ReceiveDiagnostic, access: 'none', dataDirection: 'in',
  transfer: (c) => c.allocation, run: runReceiveDiagnostic,
})

export const diagnosticCommands: readonly CommandRow[] = [sendDiagnostic, receiveDiagnosticResults]
