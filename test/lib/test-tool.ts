import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CunitTest, parseCunit } from './cunit'
import { inRepository } from './repository'
import type { ToolAsk, ToolRun } from './test-tool-run'

export interface ToolResult extends ToolRun {
  readonly tests: readonly CunitTest[]
}

const DEADLINE_MS = 900_000

/**
 * Run libiscsi's test tool, each time against a fresh host, some beside each other, and wait. Blocking, because jest wants to know
 * its tests, and which of them are skipped, before the first one runs.
 */
export function runTestTools(asks: readonly ToolAsk[]): ToolResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-tool-'))
  const file = join(folder, 'result.json')
  try {
    const script = [inRepository('test/lib/ts.cjs'), inRepository('test/lib/test-tool-run.ts'), file, JSON.stringify(asks)]
    const { status, stderr } = spawnSync(process.execPath, script, { timeout: DEADLINE_MS, killSignal: 'SIGKILL', encoding: 'utf8' })
    if (status !== 0) throw new Error(`the test tool could not be run against the host:\n${stderr}`)
    return (JSON.parse(readFileSync(file, 'utf8')) as ToolRun[]).map((ran) => ({ ...ran, tests: parseCunit(ran.output) }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Names of the tests the tool has, as FAMILY.SUITE.TEST. */
export function listedTests(family: string): string[] {
  const { stdout } = spawnSync('iscsi-test-cu', ['-l'], { encoding: 'utf8' })
  return stdout.split('\n').filter((l) => l.startsWith(`${family}.`) && l.split('.').length === 3)
}
