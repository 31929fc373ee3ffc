import { truncateSync, writeFileSync } from 'node:fs'
import { run } from './run'
import { Bench } from './serve'

/** What libiscsi's tool said of a LUN behind one filter. */
export interface FilterRun {
  readonly output: string
  readonly hostAlive: boolean
}

const DEADLINE_MS = 120_000

/** Serve one LUN for each text of filters, `FOLDER` in it being a folder of the run, and ask the families of each, all at a time. */
export async function main(result: string, filters: string, ...families: string[]): Promise<void> {
  const here = new Bench()
  try {
    writeFileSync(here.path('key'), Buffer.from(Array.from({ length: 64 }, (_, i) => i)), { mode: 0o600 })
    const texts = JSON.parse(filters) as string[]
    const luns = texts.map((text, i) => {
      writeFileSync(here.path(`disk${i}`), '')
      truncateSync(here.path(`disk${i}`), 100 * 2 ** 20)
      return `name=disk${i},filters=${text.replace('FOLDER', here.folder)},cfgstring=file/${here.path(`disk${i}`)}`
    })
    const host = await here.start({ luns, args: ['--log-level', 'warning'] })
    const runs = await Promise.all(texts.map(async (_, i): Promise<FilterRun> => {
      let output = ''
      for (const family of families) output += (await run('iscsi-test-cu', ['-v', '-t', family, '-d', '-S', host.lun(i)], { timeoutMs: DEADLINE_MS })).text
      return { output, hostAlive: !host.ended }
    }))
    writeFileSync(result, JSON.stringify(runs))
  } finally {
    await here.close()
  }
}
