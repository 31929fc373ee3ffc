// Counts tests and names the skipped ones with their reasons, for the closing line of `npm test`.
const { writeFileSync } = require('node:fs')
const { relative } = require('node:path')
const { stripVTControlCharacters } = require('node:util')

/** Skips made by test/lib/requires.ts carry their reason at the end of a title. */
const REASON = /\s*\[skipped: (.*?)\]/
/** Those of the conformance kit, in which a handler's author reads them, end with it in parentheses. */
const KIT_REASON = /\s*\(([^()]*)\)$/

/** Lines of a failure's message that stand beside its name at the end of the run; what a script printed tells most in its last ones. */
const FIRST_LINES = 4
const LAST_LINES = 16

function excerpt(messages) {
  const lines = stripVTControlCharacters(messages.join('\n')).split('\n').filter((l) => l.trim() !== '' && !/^\s+at /.test(l))
  if (lines.length <= FIRST_LINES + LAST_LINES) return lines
  return [...lines.slice(0, FIRST_LINES), '[…]', ...lines.slice(-LAST_LINES)]
}

function skipOf(file, test) {
  const titles = [...test.ancestorTitles, test.title]
  const reason = titles.map((t) => REASON.exec(t)?.[1]).find(Boolean) ?? KIT_REASON.exec(test.title)?.[1] ?? 'no reason given in the test'
  return { name: `${file} › ${titles.map((t) => t.replace(REASON, '')).join(' › ')}`, reason }
}

module.exports = class CountingReporter {
  onRunComplete(_contexts, results) {
    const report = { passed: 0, failed: 0, skipped: [], failures: [] }
    const fail = (name, messages = []) => {
      report.failed++
      report.failures.push([name, ...excerpt(messages).map((l) => `    ${l}`)].join('\n'))
    }
    for (const suite of results.testResults) {
      const file = relative(process.cwd(), suite.testFilePath)
      if (suite.testExecError) fail(`${file} could not run`, [String(suite.testExecError.message)])
      for (const test of suite.testResults) {
        if (test.status === 'passed') report.passed++
        else if (test.status === 'failed') fail(`${file} › ${[...test.ancestorTitles, test.title].join(' › ')}`, test.failureMessages)
        else report.skipped.push(skipOf(file, test))
      }
    }
    if (results.wasInterrupted) fail('the run was interrupted')
    if (process.env.TCMU_JEST_REPORT) writeFileSync(process.env.TCMU_JEST_REPORT, JSON.stringify(report))
  }
}
