import { byReason } from '../lib/cunit'
import { describeIf, requires } from '../lib/requires'
import { listedTests, runTestTool, type ToolResult } from '../lib/test-tool'

// The best of the peers measured the same way: Debian's tgt passes 160 of the tool's 230 tests.
const BEST_PEER = 160

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

function survived(ran: ToolResult): void {
  test('the host outlived it and stopped cleanly', () => {
    expect(ran.hostCode).toBe(0)
    expect(ran.hostLog).not.toMatch(/uncaught|unhandled|TypeError|RangeError/i)
  })
}

/** jest wants one test in a file; the tool's own cannot be known without the tool. */
const nothingToRun = (): void => test.skip('all of its tests', () => undefined)

const lack = requires.command('iscsi-test-cu', 'libiscsi-bin')

describeIf(lack, `libiscsi's test tool, whole`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool(['ALL'])
  const names = (result: string): string[] => ran.tests.filter((t) => t.result === result).map((t) => `${t.suite}.${t.name}`)

  test('runs every test it has, each to a verdict', () => {
    expect(ran.tests.map((t) => `ALL.${t.suite}.${t.name}`).sort()).toEqual(listedTests('ALL').sort())
    expect(names('unfinished')).toEqual([])
  })

  test('nothing fails, and more passes than with any peer', () => {
    process.stdout.write(`iscsi-test-cu: ${names('passed').length} passed, ${names('failed').length} failed, ` +
      `${names('skipped').length} skipped of ${ran.tests.length} in ${ran.seconds.toFixed(0)} s\n`)
    for (const [reason, tests] of byReason(ran.tests.filter((t) => t.result === 'skipped'))) {
      process.stdout.write(`  ${String(tests.length).padStart(3)} ${reason}\n`)
    }
    expect(names('failed')).toEqual([])
    expect(names('passed').length).toBeGreaterThan(BEST_PEER)
  })

  survived(ran)
  report(ran)
})

describeIf(lack, `libiscsi's test tool over two paths`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool(['ALL.MultipathIO'], 'file', 2)
  test('runs every multipath test', () => {
    expect(ran.tests).toHaveLength(listedTests('ALL').filter((n) => n.startsWith('ALL.MultipathIO.')).length)
    expect(ran.tests.filter((t) => t.result === 'skipped')).toEqual([])
  })
  survived(ran)
  report(ran)
})

// What a plain LUN cannot show is asked of others, so that fewer of the tool's tests stay unproven.
describeIf(lack, `libiscsi's test tool on a write protected LUN`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool(['ALL.ReadOnly'], 'readOnly')
  test('does not skip', () => expect(ran.tests.map((t) => t.result)).toEqual(['passed']))
  survived(ran)
  report(ran)
})

describeIf(lack, `libiscsi's test tool on a LUN with physical blocks of eight logical ones`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool(['ALL.CompareAndWrite', 'ALL.Unmap', 'ALL.WriteSame10', 'ALL.WriteSame16', 'ALL.WriteAtomic16'], 'wide')
  test('no test wants larger physical blocks', () => {
    expect(ran.tests.length).toBeGreaterThan(20)
    expect(ran.tests.filter((t) => t.reason.includes('LBPPB'))).toEqual([])
  })
  test('no test misses atomic writes', () => {
    expect(ran.tests.filter((t) => t.suite === 'WriteAtomic16').map((t) => t.result)).toEqual(new Array(6).fill('passed'))
  })
  survived(ran)
  report(ran)
})

// The tool waits for a minute once it finds SANITIZE still going, so that one has a LUN that takes its time, and the others one that does not.
const LONG = 'ALL.Sanitize.Reset'
describeIf(lack, `libiscsi's test tool, SANITIZE`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool(listedTests('ALL').filter((n) => n.startsWith('ALL.Sanitize.') && n !== LONG))
  test('only cryptographic erase is not there', () => {
    expect(ran.tests).toHaveLength(10)
    expect(ran.tests.filter((t) => t.result === 'skipped' && !t.reason.includes('CRYPTO_ERASE'))).toEqual([])
  })
  survived(ran)
  report(ran)
})

describeIf(lack, `libiscsi's test tool, SANITIZE and resets`, () => {
  if (lack) return nothingToRun()
  const ran = runTestTool([LONG], 'wiping')
  test('does not skip', () => expect(ran.tests.map((t) => t.result)).toEqual(['passed']))
  survived(ran)
  report(ran)
})
