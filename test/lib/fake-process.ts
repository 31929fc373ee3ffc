import type { Handler } from '../../packages/host/src/handler'
import type { UioMap } from '../../packages/host/src/kernel/port'
import { DeviceHost } from '../../packages/host/src/supervisor/device-host'
import type { FromHost, ToHost } from '../../packages/host/src/supervisor/messages'
import type { Spawned } from '../../packages/host/src/supervisor/spawn'

const noFiles = { open: () => Promise.reject(new Error('no files here')) }

/** What would be a process: its device host runs here, and nothing of it is heard or rung once it is killed. */
export class FakeProcess implements Spawned {
  readonly pid = undefined
  readonly ended: Promise<string>
  private end: (why: string) => void = () => undefined
  private dead = false
  private toHost: (message: FromHost) => void = () => undefined
  private toProcess: (message: ToHost) => void = () => undefined
  private readonly sent = new Map<number, number>()
  readonly channel = {
    send: (message: ToHost) => this.later(() => this.toProcess(structuredClone(message))),
    listen: (take: (message: FromHost) => void) => void (this.toHost = take),
  }

  constructor(handler: () => Handler, private readonly mapOf: (fd: number) => UioMap) {
    this.ended = new Promise((resolve) => (this.end = resolve))
    new DeviceHost({
      channel: { send: (message) => this.later(() => this.toHost(structuredClone(message))), listen: (take) => void (this.toProcess = take) },
      load: async () => handler(), io: noFiles, map: () => { throw new Error('no ring of ours is meant') },
      uio: (device) => ({ map: () => this.map(this.sent.get(device)!), close: () => undefined }),
    })
  }

  private later(fn: () => void): void {
    setImmediate(() => this.dead || fn())
  }

  private map(fd: number): UioMap {
    const map = this.mapOf(fd)
    return { ...map, memory: map.memory, start: (wake, lost) => map.start(() => this.dead || wake(), lost), kick: () => this.dead || map.kick() }
  }

  sendRing(device: number, [fd]: readonly number[]): void {
    this.sent.set(device, fd!)
  }
  kill(why = 'it was ended by SIGKILL'): void {
    this.dead = true
    setImmediate(() => this.end(why))
  }
}
