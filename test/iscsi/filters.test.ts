import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byReason, type CunitTest, parseCunit } from '../lib/cunit'
import type { FilterRun } from '../lib/filter-tool-run'
import { inRepository } from '../lib/repository'
import { describeIf, requires } from '../lib/requires'
import { chainTool, toolSuites } from '../lib/test-tool-report'

/** Each filter alone before a file, and a chain of three: the judge is libiscsi's test tool. */
const families = ['Inquiry', 'ReadCapacity16', 'ModeSense6', 'Read16', 'Write16', 'Verify16', 'WriteSame16', 'Unmap'].map((name) => `ALL.${name}`)
const filters = {
  cache: 'cache:size=1M', cow: 'cow:overlay=FOLDER/cow', delay: 'delay:read=1ms:write=1ms', encrypt: 'encrypt:keyFile=FOLDER/key', error: 'error:after=1000000000', log: 'log',
  offset: 'offset:offset=1M:size=50M', rate: 'rate:iops=1000000', readonly: 'readonly', retry: 'retry:times=2', stats: 'stats',
} as const
/** What the tool skips when a disk is not thin. */
const thick: readonly string[] = ['cow', 'encrypt']
const notThin = /Logical unit is fully provisioned|UNMAP is not implemented/
const free = /WRITESAME16 does not support 0-blocks|LBPPB < 2/
const refusedToWrite = /0x2700|WRITE_PROTECTED/

function asked(): Readonly<Record<string, { tests: readonly CunitTest[]; alive: boolean }>> {
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-filter-tool-'))
  const file = join(folder, 'result.json')
  try {
    const script = [inRepository('test/lib/ts.cjs'), inRepository('test/lib/filter-tool-run.ts'), file, JSON.stringify(Object.values(filters)), ...families]
    const { status, stderr } = spawnSync(process.execPath, script, { timeout: 200_000, killSignal: 'SIGKILL', encoding: 'utf8' })
    if (status !== 0) throw new Error(`the test tool could not be run against the host:\n${stderr}`)
    const runs = JSON.parse(readFileSync(file, 'utf8')) as FilterRun[]
    return Object.fromEntries(Object.keys(filters).map((name, i) => [name, { tests: parseCunit(runs[i]!.output), alive: runs[i]!.hostAlive }]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('every filter that comes with the host is asked', () => {
  const { tcmuFilter } = JSON.parse(readFileSync(inRepository('packages/filters/package.json'), 'utf8')) as { tcmuFilter: { name: string }[] }
  expect(Object.keys(filters)).toEqual(tcmuFilter.map((f) => f.name))
})

const lack = requires.command('iscsi-test-cu', 'libiscsi-bin')
describeIf(lack, "libiscsi's test tool, each filter alone", () => {
  if (lack) return test.skip('all of them', () => undefined)
  const found = asked()
  const named = (tests: readonly CunitTest[]): string[] => tests.map((t) => `${t.suite}.${t.name}: ${t.result}: ${t.reason}`)

  test.each(Object.keys(filters).filter((name) => name !== 'readonly'))('%s: nothing fails, and what is skipped is what such a disk has not', (name) => {
    const { tests, alive } = found[name]!
    const skipped = tests.filter((t) => t.result === 'skipped')
    expect(named(tests.filter((t) => t.result === 'failed' || t.result === 'unfinished'))).toEqual([])
    expect(named(skipped.filter((t) => !free.test(t.reason) && !(thick.includes(name) && notThin.test(t.reason))))).toEqual([])
    expect(skipped.some((t) => notThin.test(t.reason))).toBe(thick.includes(name))
    expect([tests.length > 35, alive]).toEqual([true, true])
    process.stdout.write(`iscsi-test-cu, ${name}: ${tests.length - skipped.length} passed, ${skipped.length} skipped (${[...byReason(skipped)].map(([reason, some]) => `${some.length} ${reason}`).join('; ')})\n`)
  })

  test('readonly: nothing fails but for being refused to write', () => {
    const { tests } = found['readonly']!
    expect(named(tests.filter((t) => (t.result === 'failed' && !refusedToWrite.test(t.output)) || t.result === 'unfinished'))).toEqual([])
    expect(tests.filter((t) => t.result === 'passed').length).toBeGreaterThan(15)
  })
})

toolSuites(chainTool('behind stats, cache and offset', 'chain512'))
