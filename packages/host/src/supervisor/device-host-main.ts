import { closeSync } from 'node:fs'
import { release } from 'node:os'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { Handler } from '../handler'
import type { UioNode } from '../kernel/node'
import { UioPort } from '../kernel/port'
import { createIoEngine, type IoEngineChoice } from '../io'
import { loadNative } from '../platform'
import { discover, environment, HandlerRegistry, importModule, PathGuard, Trust, withSdk } from '../plugins'
import { DeviceHost } from './device-host'
import type { Calls, Channel, FromHost, RemoteSpec, ToHost } from './messages'
import { DATA_BYTES, RING_BYTES } from './remote-port'
import { CHANNEL_FD } from './spawn'

const core = loadNative()

function channelToHost(): Channel<FromHost, ToHost> {
  if (parentPort) {
    const port = parentPort
    return { send: (m) => port.postMessage(m), listen: (take) => void port.on('message', take) }
  }
  // The host is gone: there is nobody to work for. A loop that does not turn would not hear of it, and keep the rings.
  core.endWithParent()
  process.on('disconnect', () => process.exit(0))
  // The terminal sends these to everybody; the host says when to end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  return { send: (m) => void (process.connected && process.send!(m)), listen: (take) => void process.on('message', (m) => take(m as ToHost)) }
}

const channelFd = isMainThread ? CHANNEL_FD : (workerData as { channel: number }).channel
/** Descriptors that came before the request they belong to. */
const early = new Map<number, number[]>()

function descriptorsOf(device: number): number[] {
  while (!early.has(device)) {
    const { tag, fds } = core.receiveDescriptors(channelFd)
    early.set(tag, fds)
  }
  const fds = early.get(device)!
  early.delete(device)
  return fds
}

function map(device: number, _spec: RemoteSpec, lost: (e: Error) => void): UioPort {
  const [memory, rings, hears] = descriptorsOf(device) as [number, number, number]
  try {
    return new UioPort(new core.UioMap(memory, RING_BYTES + DATA_BYTES, hears, rings, 8), lost)
  } finally {
    closeSync(memory)
  }
}

function uio(device: number): Pick<UioNode, 'map' | 'close'> {
  const [fd] = descriptorsOf(device) as [number]
  return { map: (size) => new core.UioMap(fd, size), close: () => closeSync(fd) }
}

/** A package of the handler root is compared with what was enabled here, right before its code is imported. */
function load({ packagePath, subtype, hostPackage, trust: places }: Calls['load']['asks']): Promise<Handler> {
  const guard = new PathGuard()
  const { candidates, refusals } = discover({ handlerPaths: [packagePath], guard })
  const trust = places && new Trust({ ...places, hostPackage, guard })
  const registry = new HandlerRegistry({ refusals, candidates: trust ? candidates.map((c) => ({ ...c, origin: 'root' })) : candidates }, {
    environment: environment({ kernel: release(), guard, trust }), load: withSdk(hostPackage, importModule),
  })
  // Of a package that was changed since: why, and not only that there is no such handler.
  if (!registry.knows(subtype) && registry.refusals[0]) return Promise.reject(registry.refusals[0])
  return registry.load(subtype)
}

new DeviceHost({ channel: channelToHost(), load, map, uio, io: createIoEngine({ engine: process.argv[2] as IoEngineChoice }) })
