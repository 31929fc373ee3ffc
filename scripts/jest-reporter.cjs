// Counts tests and names the skipped ones with their reasons, for the closing line of `npm test`.
const { writeFileSync } = require('node:fs')
const { relative } = require('node:path')

/** Skips made by test/lib/requires.ts carry their reason at the end of a title. */
const REASON = /\s*\[skipped: (.*?)\]/
/** Those of the conformance kit, in which a handler's author reads them, end with it in parentheses. */
const KIT_REASON = /\s*\(([^()]*)\)$/

function skipOf(file, test) {
  const titles = [...test.ancestorTitles, test.title]
  const reason = titles.map((t) => REASON.exec(t)?.[1]).find(Boolean) ?? KIT_REASON.exec(test.title)?.[1] ?? 'no reason given in the test'
  return { name: `${file} › ${titles.map((t) => t.replace(REASON, '')).join(' › ')}`, reason }
}

module.exports = class CountingReporter {
  onRunComplete(_contexts, results) {
    const report = { passed: 0, failed: 0, skipped: [], failures: [] }
    const fail = (name) => {
      report.failed++
      report.failures.push(name)
    }
    for (const suite of results.testResults) {
      const file = relative(process.cwd(), suite.testFilePath)
      if (suite.testExecError) fail(`${file} could not run`)
      for (const test of suite.testResults) {
        if (test.status === 'passed') report.passed++
        else if (test.status === 'failed') fail(`${file} › ${[...test.ancestorTitles, test.title].join(' › ')}`)
        else report.skipped.push(skipOf(file, test))
      }
    }
    if (results.wasInterrupted) fail('the run was interrupted')
    if (process.env.TCMU_JEST_REPORT) writeFileSync(process.env.TCMU_JEST_REPORT, JSON.stringify(report))
  }
}
