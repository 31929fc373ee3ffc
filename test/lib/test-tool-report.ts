import { byReason, type CunitTest } from './cunit'
import { describeIf, requires } from './requires'
import { listedTests, runTestTool, type ToolResult } from './test-tool'
import type { luns } from './test-tool-run'

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
function supplemented(lun: Lun, supplements: readonly Supplement[]): ToolResult {
  const ran = runTestTool(['ALL'], lun, 2)
  const more = supplements.map((s) => runTestTool(s.families, s.lun))
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
/** jest wants one test in a file; the tool's own cannot be known without the tool. */
const nothingToRun = (): void => test.skip('all of its tests', () => undefined)
const matches = (t: CunitTest, some: readonly RegExp[]): boolean => some.some((r) => r.test(t.reason))

/** Run all tests of libiscsi's tool against a LUN over two paths, and hold it to the acceptance of this project. */
export function wholeTool(title: string, lun: Lun, ...supplements: readonly Supplement[]): void {
  describeIf(lack, `libiscsi's test tool, ${title}`, () => {
    if (lack) return nothingToRun()
    const ran = supplemented(lun, supplements)
    complete(ran, title)
    test('nothing fails', () => expect(named(of(ran, 'failed'))).toEqual([]))
    test('skips only what a disk need not have', () => {
      const skipped = of(ran, 'skipped').filter((t) => !matches(t, free))
      expect(named(skipped)).toEqual([])
    })
    test(`skips at most ${MOST_SKIPPED}`, () => expect(of(ran, 'skipped').length).toBeLessThanOrEqual(MOST_SKIPPED))
    survived(ran)
    report(ran)
  })
}

/** The tool's reasons to skip that another LUN without filters has been asked about. */
const elsewhere: readonly RegExp[] = [/^LBPPB < 2/, /^Logical unit is not write-protected/, slowMedium]

/** A thin LUN behind filters that keep what a disk is: it does what one without them does. */
export function chainTool(title: string, lun: Lun): void {
  describeIf(lack, `libiscsi's test tool, ${title}`, () => {
    if (lack) return nothingToRun()
    const raw = runTestTool(['ALL'], lun, 2)
    const ran = { ...raw, tests: raw.tests.map(moved) }
    complete(ran, title)
    test('nothing fails', () => expect(named(of(ran, 'failed'))).toEqual([]))
    test('skips only what a disk need not have', () => {
      expect(named(of(ran, 'skipped').filter((t) => !matches(t, [...free, ...elsewhere])))).toEqual([])
    })
    survived(ran)
    report(ran)
  })
}

/** On a LUN that must not be written, tests that write fail, with the one sense that says so; nothing else does. */
export function readOnlyTool(title: string, lun: Lun): void {
  describeIf(lack, `libiscsi's test tool, ${title}`, () => {
    if (lack) return nothingToRun()
    const raw = runTestTool(['ALL'], lun, 2)
    const refused = (t: CunitTest): CunitTest =>
      t.result === 'failed' && protectedMedium.test(t.output) ? { ...t, result: 'skipped', reason: 'it writes, and is refused with DATA PROTECT' } : t
    const ran = { ...raw, tests: raw.tests.map(moved).map(refused) }
    complete(ran, title)
    test('nothing fails but for being refused to write', () => expect(named(of(ran, 'failed'))).toEqual([]))
    test('is found to be write protected', () => expect(ran.tests.find((t) => t.suite === 'ReadOnly')?.result).toBe('passed'))
    survived(ran)
    report(ran)
  })
}
