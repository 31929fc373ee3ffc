import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs'
import { HandlerRoot } from './handler-root'
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

/** What the tool is run against, as `--lun` says it; `FOLDER` becomes a folder that is gone afterwards. */
export const luns = {
  thin512: 'name=disk,size=100M,cfgstring=file/FOLDER/disk.img',
  thick512: 'name=disk,size=100M,thick,cfgstring=file/FOLDER/disk.img',
  readOnly512: 'name=disk,size=100M,readonly,cfgstring=file/FOLDER/disk.img',
  thin4096: 'name=disk,size=100M,blocksize=4096,cfgstring=file/FOLDER/disk.img',
  thick4096: 'name=disk,size=100M,blocksize=4096,thick,cfgstring=file/FOLDER/disk.img',
  readOnly4096: 'name=disk,size=100M,blocksize=4096,readonly,cfgstring=file/FOLDER/disk.img',
  /** Physical blocks of several logical ones. */
  wide512: 'name=disk,size=100M,physicalblocksize=4096,cfgstring=file/FOLDER/disk.img',
  wide4096: 'name=disk,size=100M,blocksize=4096,physicalblocksize=16384,cfgstring=file/FOLDER/disk.img',
  /** Physical blocks of eight logical ones, and atomic writes. */
  atomic: 'name=disk,size=100M,cfgstring=wide/',
  wideThick512: 'name=disk,size=100M,physicalblocksize=4096,thick,cfgstring=file/FOLDER/disk.img',
  wideThick4096: 'name=disk,size=100M,blocksize=4096,physicalblocksize=16384,thick,cfgstring=file/FOLDER/disk.img',
  /** Behind three filters that keep what a disk is. */
  chain512: 'name=disk,filters=stats+cache:size=16M+offset:offset=1M,cfgstring=file/FOLDER/disk.img',
  /** Takes twenty seconds to overwrite. */
  slow512: 'name=disk,size=64M,cfgstring=wiping/300',
  slowThick512: 'name=disk,size=64M,thick,cfgstring=wiping/300',
  slowThick4096: 'name=disk,size=64M,blocksize=4096,thick,cfgstring=wiping/300',
  slow4096: 'name=disk,size=64M,blocksize=4096,cfgstring=wiping/300',
} as const

/** One run of the tool: `paths` is how many sessions it is offered. */
export interface ToolAsk {
  readonly lun: keyof typeof luns
  readonly families: readonly string[]
  readonly paths: number
}

/** Serve a fresh LUN, run libiscsi's test tool against it. */
async function ask({ lun, families, paths }: ToolAsk): Promise<ToolRun> {
  const here = new Bench()
  try {
    const handlers = new HandlerRoot(here.path('handlers'))
    for (const name of ['wide', 'wiping']) handlers.install(`tcmu-handler-${name}`, `test/fixtures/handlers/${name}`)
    await handlers.enable()
    closeSync(openSync(here.path('disk.img'), 'w'))
    truncateSync(here.path('disk.img'), 100 * 2 ** 20)
    const host = await here.start({ luns: [luns[lun].replace('FOLDER', here.folder)] })
    const began = performance.now()
    const urls = Array.from({ length: paths }, () => host.url)
    let output = ''
    let toolCode: number | null = 0
    for (const family of families) {
      const tool = await run('iscsi-test-cu', ['-v', '-t', family, '-d', '-S', ...urls], { timeoutMs: DEADLINE_MS })
      output += tool.text
      toolCode ||= tool.code
    }
    const seconds = (performance.now() - began) / 1000
    const alive = !host.ended
    const hostCode = await host.end()
    return { output, toolCode, hostCode: alive ? hostCode : (host.child.signalCode ?? -1), hostLog: host.output, seconds }
  } finally {
    await here.close()
  }
}

/** All of them one after another, but those that mostly sleep, which go on beside them. */
export async function main(result: string, text: string): Promise<void> {
  const asks = JSON.parse(text) as ToolAsk[]
  const sleeps = ({ lun }: ToolAsk): boolean => lun.startsWith('slow')
  const ran: Promise<ToolRun>[] = []
  let turn: Promise<unknown> = Promise.resolve()
  for (const a of asks) {
    const one = sleeps(a) ? ask(a) : turn.then(() => ask(a))
    if (!sleeps(a)) turn = one
    ran.push(one)
  }
  writeFileSync(result, JSON.stringify(await Promise.all(ran)))
}
