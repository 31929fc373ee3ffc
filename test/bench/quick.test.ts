import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { inRepository } from '../lib/repository'
import { requires, testIf } from '../lib/requires'

/** What an expression over the exports of bench/quick.mjs gives, in a process of its own: the measured code is the built one. */
function ask<T>(expression: string): T {
  const code = `import { lack, quickBench } from ${JSON.stringify(inRepository('bench/quick.mjs'))}; process.stdout.write(JSON.stringify(${expression}))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })) as T
}

const built = existsSync(inRepository('packages/host/dist/ring/index.js')) ? undefined : 'needs the built host; npm run build'
const lack = requires.all(built, ask<string | null>('lack() ?? null') ?? undefined)

testIf(lack, 'a command to a handler that does nothing costs no more beside a bare loop than it did', async () => {
  const { ratio, limit } = ask<{ ratio: number; limit: number }>('quickBench()')
  expect(ratio).toBeGreaterThan(1)
  expect(ratio).toBeLessThanOrEqual(limit)
})
