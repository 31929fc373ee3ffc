import { fork } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import type { IoEngineChoice } from '../io'
import type { NativeCore } from '../platform'
import type { Channel, FromHost, ToHost } from './messages'

/** A running device host. */
export interface Spawned {
  readonly channel: Channel<ToHost, FromHost>
  /** Ahead of the request that opens a device. */
  sendRing(device: number, descriptors: readonly number[]): void
  /** At once; `ended` resolves soon. */
  kill(): void
  /** Resolves, once, to why it ended. */
  readonly ended: Promise<string>
  readonly pid: number | undefined
}

export type Spawn = (core: NativeCore, heapMiB: number, said: (line: string) => void, ioEngine?: IoEngineChoice) => Spawned

/** Descriptor of the channel in a child process: after standard streams and Node's own channel. */
export const CHANNEL_FD = 4
const entry = join(__dirname, 'device-host-main.js')

/** Each in a process of its own: not even a crash of C code reaches anybody else. */
export const spawnProcess: Spawn = (core, heapMiB, said, ioEngine = 'auto') => {
  const [ours, theirs] = core.descriptorChannel()
  const child = fork(entry, [ioEngine], {
    execArgv: [`--max-old-space-size=${heapMiB}`],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', theirs],
  })
  closeSync(theirs)
  for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on('line', said)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (e) => resolve(e.message))
    child.once('close', (code, signal) => resolve(signal ? `it was ended by ${signal}` : `it ended with ${code}`))
  })
  void ended.then(() => closeSync(ours))
  return {
    ended,
    pid: child.pid,
    channel: {
      send: (message) => void (child.connected && child.send(message)),
      listen: (take) => void child.on('message', (m) => take(m as FromHost)),
    },
    sendRing: (device, descriptors) => core.sendDescriptors(ours, device, descriptors),
    kill: () => void child.kill('SIGKILL'),
  }
}

/** Each in a thread: its computing holds nobody up, its crash of C code still ends everything. */
export const spawnWorker: Spawn = (core, heapMiB, said, ioEngine = 'auto') => {
  const [ours, theirs] = core.descriptorChannel()
  const worker = new Worker(entry, { argv: [ioEngine], workerData: { channel: theirs }, resourceLimits: { maxOldGenerationSizeMb: heapMiB }, stdout: true, stderr: true })
  for (const stream of [worker.stdout, worker.stderr]) createInterface(stream).on('line', said)
  let thrown: string | undefined
  worker.on('error', (e) => (thrown = e.message))
  const ended = new Promise<string>((resolve) => worker.once('exit', (code) => resolve(thrown ?? `it ended with ${code}`)))
  void ended.then(() => {
    closeSync(ours)
    closeSync(theirs)
  })
  return {
    ended,
    pid: undefined,
    channel: { send: (message) => worker.postMessage(message), listen: (take) => void worker.on('message', take) },
    sendRing: (device, descriptors) => core.sendDescriptors(ours, device, descriptors),
    kill: () => void worker.terminate(),
  }
}
