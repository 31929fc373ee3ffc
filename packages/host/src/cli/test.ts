import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseSize } from '../control'
import { tcmuError } from '../errors'
import { createHost, type Host } from '../host'
import { createIoEngine } from '../io'
import { checkConformance, type Conformance, type ConformanceResult } from '../testing/conformance'
import { COMMAND_LINE, handlerOptions, type HandlerFlags, type Surroundings } from './options'

export interface TestFlags extends HandlerFlags {
  readonly cfg: string
  readonly refuses: readonly string[]
  readonly size: string
  readonly blockSize: string
  readonly volatile?: boolean
  readonly json?: boolean
  readonly subtype?: string
}
type Print = (line: string) => void

/** In a cfgstring: a folder that is empty and is removed afterwards. */
const FOLDER = '{tmp}'

/** The one handler of a package, or the one that was named. */
function chosen(host: Host, folder: string, subtype: string | undefined): string {
  const { handlers, refused } = host.handlers()
  const mine = handlers.filter((h) => realpathSync(h.path) === folder)
  const named = mine.find((h) => subtype === undefined || h.subtype === subtype)
  if (named) return named.subtype
  const reason = refused.find((r) => r.path?.startsWith(folder))?.message ?? (mine.length ? `it has ${mine.map((h) => h.subtype).join(', ')}, not ${subtype}` : 'no package.json with the keyword `tcmu-handler` is there')
  throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: 'folder', wanted: 'a handler package', found: `${folder}: ${reason}` })
}

const marks: Readonly<Record<ConformanceResult['outcome'], string>> = { kept: '✓', broken: '✗', 'does not apply': '-' }

function line(r: ConformanceResult): string {
  const why = r.reason === undefined ? '' : r.outcome === 'broken' ? `\n    ${r.reason}` : ` (${r.reason})`
  return `${marks[r.outcome]} ${r.promise}${r.outcome === 'kept' ? ` (${r.ms} ms)` : why}`
}

/** Check a handler package against what the host relies on. Resolves to the exit code: 1 when a promise is broken. */
export async function testHandler(path: string, flags: TestFlags, at: Surroundings, print: Print): Promise<number> {
  const folder = existsSync(path) ? realpathSync(path) : resolve(path)
  const host = createHost(handlerOptions({ ...flags, handlerPath: [folder, ...(flags.handlerPath ?? [])] }, at))
  const handler = await host.registry.load(chosen(host, folder, flags.subtype))
  const scratch = mkdtempSync(join(tmpdir(), 'tcmu-host-test-'))
  const engine = createIoEngine()
  const fresh = (text: string) => (): string => text.replaceAll(FOLDER, () => mkdtempSync(join(scratch, 'medium-')))
  const conformance: Conformance = {
    handler, config: fresh(flags.cfg), io: engine, volatile: flags.volatile, badConfigs: flags.refuses,
    geometry: { sizeBytes: parseSize(flags.size), blockSize: parseSize(flags.blockSize) },
  }
  const results: ConformanceResult[] = []
  try {
    for await (const result of checkConformance(conformance)) {
      results.push(result)
      if (!flags.json) print(line(result))
    }
  } finally {
    await engine.close()
    rmSync(scratch, { recursive: true, force: true })
  }
  const count = (outcome: ConformanceResult['outcome']): number => results.filter((r) => r.outcome === outcome).length
  if (flags.json) print(JSON.stringify(results, undefined, 2))
  else print(`${handler.subtype}: ${count('kept')} kept, ${count('broken')} broken, ${count('does not apply')} not applicable`)
  return count('broken') ? 1 : 0
}
