import { writeFileSync } from 'node:fs'
import { run } from './run'
import { Bench } from './serve'

/** What is handed back to the test: everything the tool printed and how it and the host ended. */
export interface ToolRun {
  readonly output: string
  readonly toolCode: number | null
  readonly hostCode: number | NodeJS.Signals | null
  readonly hostLog: string
  readonly seconds: number
}

const DEADLINE_MS = 400_000

/** Serve a fresh `file` LUN, run libiscsi's test tool against it; `paths` is how many sessions it is offered. */
export async function main(result: string, family: string, paths: string, ...serveArgs: string[]): Promise<void> {
  const here = new Bench()
  try {
    const host = await here.start({ luns: [here.fileLun('disk', '100M')], args: serveArgs })
    const began = performance.now()
    const urls = Array.from({ length: Number(paths) }, () => host.url)
    const tool = await run('iscsi-test-cu', ['-v', '-t', family, '-d', ...urls], { timeoutMs: DEADLINE_MS })
    const seconds = (performance.now() - began) / 1000
    const alive = !host.ended
    const hostCode = await host.end()
    const ran: ToolRun = { output: tool.text, toolCode: tool.code, hostCode: alive ? hostCode : (host.child.signalCode ?? -1), hostLog: host.output, seconds }
    writeFileSync(result, JSON.stringify(ran))
  } finally {
    await here.close()
  }
}
