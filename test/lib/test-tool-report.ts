import { byReason, type CunitTest } from './cunit'
import { describeIf, requires } from './requires'
import { listedTests, runTestTools, type ToolResult } from './test-tool'
import type { luns, ToolAsk } from './test-tool-run'

/** Of the tool's 230 tests, those that may be skipped on a disk that can be written. */
const MOST_SKIPPED = 20
/** The tool's reasons to skip that a disk may give: what it asks for is for other devices, or for the disk to choose. */
const free: readonly RegExp[] = [
  /^Logical unit is not removable/,
  /^Media is not removable/,
  /^WRITEATOMIC16 is not implemented/,
  /^WRITESAME1[06] does not support 0-blocks/,
  /^SANITIZE CRYPTO_ERASE is not implemented/,
]
/** How the tool says that a command that writes was refused with DATA PROTECT, 27/00; its asynchronous writes say less. */
const protectedMedium = /0x2700|WRITE_PROTECTED|test_async_(write|abort_simple)\.c:\d+ +- CU_ASSERT_NOT_EQUAL\(status,SCSI_STATUS_CHECK_CONDITION\)/

/** One jest test for each test of the tool; what the tool skipped is skipped here, with the tool's reason. */
function report(ran: ToolResult): void {
  for (const suite of new Set(ran.tests.map((t) => t.suite))) {
    describe(suite, () => {
      for (const t of ran.tests.filter((x) => x.suite === suite)) {
        if (t.result === 'skipped') test.skip(`${t.name} [skipped: iscsi-test-cu: ${t.reason}]`, () => undefined)
        else test(t.name, () => expect(t.result === 'passed' ? 'passed' : `${t.result}: ${t.output}`).toBe('passed'))
      }
    })
  }
}

function say(title: string, ran: ToolResult): void {
  const count = (result: string): number => ran.tests.filter((t) => t.result === result).length
  const lines = [`iscsi-test-cu, ${title}: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped of ${ran.tests.length} in ${ran.seconds.toFixed(0)} s`]
  for (const [reason, tests] of byReason(ran.tests.filter((t) => t.result === 'skipped'))) lines.push(`  ${String(tests.length).padStart(3)} ${reason}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

const lack = requires.command('iscsi-test-cu', 'libiscsi-bin')
const named = (tests: readonly CunitTest[]): string[] => tests.map((t) => `${t.suite}.${t.name}: ${t.reason}`)

type Lun = keyof typeof luns
/** Tests that a LUN cannot be asked, asked of another one that differs in this only. */
interface Supplement {
  readonly lun: Lun
  readonly families: readonly string[]
}

/** Presumes a medium that takes more than four seconds to overwrite, and waits a minute when it has one: asked of thin LUNs only. */
const longSanitize = (t: CunitTest): boolean => t.suite === 'Sanitize' && t.name === 'Reset'
const WAITED = 'it wants a slow medium; a thin LUN has been asked on one'
const slowMedium = /^it wants a slow medium/
const moved = (t: CunitTest): CunitTest => (longSanitize(t) && t.result === 'failed' && /SANITIZE_IN_PROGRESS/.test(t.output) ? { ...t, result: 'skipped', reason: WAITED } : t)

/** The run, with what it skipped taken from the supplements where they did not. */
function supplemented([ran, ...more]: readonly [ToolResult, ...ToolResult[]]): ToolResult {
  const instead = (t: CunitTest): CunitTest | undefined =>
    more.flatMap((m) => m.tests).find((x) => x.suite === t.suite && x.name === t.name && x.result !== 'skipped')
  return {
    ...ran,
    tests: ran.tests.map(moved).map((t) => (t.result === 'skipped' ? (instead(t) ?? t) : t)),
    hostCode: [ran, ...more].find((r) => r.hostCode !== 0)?.hostCode ?? ran.hostCode,
    hostLog: [ran, ...more].map((r) => r.hostLog).join('\n'),
  }
}

function survived(ran: ToolResult): void {
  test('the host outlived it and stopped cleanly', () => {
    expect(ran.hostCode).toBe(0)
    expect(ran.hostLog).not.toMatch(/uncaught|unhandled|TypeError|RangeError/i)
  })
}
const of = (ran: ToolResult, result: string): CunitTest[] => ran.tests.filter((t) => t.result === result)
function complete(ran: ToolResult, title: string): void {
  test('runs every test it has, each to a verdict', () => {
    say(title, ran)
    expect(ran.tests.map((t) => `ALL.${t.suite}.${t.name}`).sort()).toEqual(listedTests('ALL').sort())
    expect(named(of(ran, 'unfinished'))).toEqual([])
  })
}
const matches = (t: CunitTest, some: readonly RegExp[]): boolean => some.some((r) => r.test(t.reason))

/** All of the tool against one LUN, and what is expected of it. */
interface ToolSuite {
  readonly title: string
  readonly asks: readonly ToolAsk[]
  /** The verdict on each test, from what was run. */
  readonly judge: (ran: readonly [ToolResult, ...ToolResult[]]) => ToolResult
  readonly expects: (ran: ToolResult) => void
}
const all = (lun: Lun): ToolAsk => ({ lun, families: ['ALL'], paths: 2 })
const nothingFails = (ran: ToolResult): void => test('nothing fails', () => expect(named(of(ran, 'failed'))).toEqual([]))
const skipsOnly = (ran: ToolResult, some: readonly RegExp[]): void =>
  test('skips only what a disk need not have', () => expect(named(of(ran, 'skipped').filter((t) => !matches(t, some)))).toEqual([]))

/** All tests of libiscsi's tool over two paths, held to the acceptance of this project. */
export const wholeTool = (title: string, lun: Lun, ...supplements: readonly Supplement[]): ToolSuite => ({
  title, asks: [all(lun), ...supplements.map((s) => ({ ...s, paths: 1 }))], judge: supplemented,
  expects(ran) {
    nothingFails(ran)
    skipsOnly(ran, free)
    test(`skips at most ${MOST_SKIPPED}`, () => expect(of(ran, 'skipped').length).toBeLessThanOrEqual(MOST_SKIPPED))
  },
})

/** The tool's reasons to skip that another LUN without filters has been asked about. */
const elsewhere: readonly RegExp[] = [/^LBPPB < 2/, /^Logical unit is not write-protected/, slowMedium]

/** A thin LUN behind filters that keep what a disk is: it does what one without them does. */
export const chainTool = (title: string, lun: Lun): ToolSuite => ({
  title, asks: [all(lun)], judge: ([ran]) => ({ ...ran, tests: ran.tests.map(moved) }),
  expects(ran) {
    nothingFails(ran)
    skipsOnly(ran, [...free, ...elsewhere])
  },
})

const refused = (t: CunitTest): CunitTest =>
  (t.result === 'failed' && protectedMedium.test(t.output) ? { ...t, result: 'skipped', reason: 'it writes, and is refused with DATA PROTECT' } : t)

/** On a LUN that must not be written, tests that write fail, with the one sense that says so; nothing else does. */
export const readOnlyTool = (title: string, lun: Lun): ToolSuite => ({
  title, asks: [all(lun)], judge: ([ran]) => ({ ...ran, tests: ran.tests.map(moved).map(refused) }),
  expects(ran) {
    test('nothing fails but for being refused to write', () => expect(named(of(ran, 'failed'))).toEqual([]))
    test('is found to be write protected', () => expect(ran.tests.find((t) => t.suite === 'ReadOnly')?.result).toBe('passed'))
  },
})

/** Run the tool for all suites of a file, and report each. */
export function toolSuites(...suites: readonly ToolSuite[]): void {
  const results = lack ? [] : runTestTools(suites.flatMap((s) => s.asks))
  for (const suite of suites) {
    const own = results.splice(0, suite.asks.length)
    describeIf(lack, `libiscsi's test tool, ${suite.title}`, () => {
      // jest wants one test in a file; the tool's own cannot be known without the tool.
      if (lack) return test.skip('all of its tests', () => undefined)
      const ran = suite.judge(own as [ToolResult, ...ToolResult[]])
      complete(ran, suite.title)
      suite.expects(ran)
      survived(ran)
      report(ran)
    })
  }
}
