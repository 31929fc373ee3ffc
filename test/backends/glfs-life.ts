// Ways for libgfapi to live and die, each run in a process of its own: node test/lib/ts.cjs glfs-life.ts CASE CONFIG
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createIoEngine } from '../../packages/host/dist/io'
import { initiatorOf, testDevice } from '../../packages/host/dist/testing'
import handler from '../../packages/handler-glfs/dist'
import { library } from '../../packages/handler-glfs/dist/library'
import { LIBGFAPI, loadGlfs } from '../../native/dist/glfs'
import { pause } from '../lib/run'

const SIZE = 4 * 2 ** 20
const BLOCK = 512

async function serve(config: string) {
  const device = await testDevice(handler as unknown as Parameters<typeof testDevice>[0], { config, io: createIoEngine(), sizeBytes: SIZE, options: { create: true } })
  return { device, disk: initiatorOf(device) }
}

/** The test's own line, when it has done its part. */
const told = (): Promise<unknown> => once(process.stdin, 'data')
const say = (what: string): void => void process.stdout.write(`${what}\n`)

/** Reads and writes that a stopped brick does not answer. */
async function hang(config: string, stopped: () => Promise<unknown>): Promise<void> {
  const { disk } = await serve(config)
  await disk.write(0, Buffer.alloc(64 * BLOCK, 1))
  await stopped()
  for (let i = 0; i < 16; i++) {
    void disk.read({ lba: 1000 + 8 * i, blocks: 8 })
    void disk.write(8 * i, Buffer.alloc(8 * BLOCK, 2), { fua: 1 })
  }
  await pause(100)
}

const cases: Readonly<Record<string, (config: string) => Promise<void>>> = {
  async use(config) {
    const { device, disk } = await serve(config)
    await disk.write(0, Buffer.alloc(BLOCK, 1))
    await device.close(1000)
    say('end')
    process.exit(0)
  },
  async 'exit-under-hung-io'(config) {
    await hang(config, async () => { say('open'); await told() })
    say('end')
    process.exit(0)
  },
  /** Answers come when the worker is gone. */
  async 'worker-ends-under-hung-io'(config) {
    const worker = new Worker(process.argv[1]!, { argv: [__filename, 'in-worker', config], workerData: 'hang', stdin: false })
    await once(worker, 'message')
    say('open')
    await told()
    worker.postMessage('stopped')
    await once(worker, 'message')
    say('end')
    await worker.terminate()
    await told()
    await pause(1000)
    process.exit(0)
  },
  async 'in-worker'(config) {
    if (isMainThread || workerData !== 'hang') throw new Error('for a worker')
    await hang(config, async () => { parentPort!.postMessage('open'); await once(parentPort!, 'message') })
    parentPort!.postMessage('under way')
  },
  /** The functions and the callback of 3.4, which newer libraries have beside their own. */
  async 'old-signatures'(config) {
    if (loadGlfs().load(LIBGFAPI, true) !== undefined) throw new Error('no old signatures')
    const { device, disk } = await serve(config)
    const answers = [
      await disk.write(0, Buffer.alloc(64 * BLOCK, 3)), await disk.unmap([{ lba: 8, blocks: 8 }]), await disk.writeSame({ lba: 16, blocks: 8 }, Buffer.alloc(BLOCK)),
      await disk.synchronizeCache(),
    ]
    if (answers.some(({ status }) => status !== 0)) throw new Error(JSON.stringify(answers))
    const { data } = await disk.read({ lba: 0, blocks: 64 })
    Buffer.from(data).forEach((b, i) => { if (b !== (i >= 8 * BLOCK && i < 24 * BLOCK ? 0 : 3)) throw new Error(`byte ${i} is ${b}`) })
    if ((await device.reconfigure({ kind: 'size', sizeBytes: 2 * SIZE })) !== 0) throw new Error('not resized')
    await device.close(1000)
    say('end')
    process.exit(0)
  },
  async 'no-library'() {
    try {
      library('libgfapi.so.99')
    } catch (error) {
      say((error as Error).message)
    }
    say('end')
  },
  /** A server that takes connections and answers nothing: opening fails in time, and the end does not wait for it. */
  async 'exit-while-connecting'(config) {
    void serve(config)
    await pause(1000)
    say('end')
    process.exit(0)
  },
}

export async function main(name: string, config: string): Promise<void> {
  await cases[name]!(config)
}
