import { createHost, type Host } from './host'
import type { HostOptions } from './host-options'

/** Make a host and start it: devices that are open, in one's own program. Without `portal` none listens. */
export async function openDevices(options: HostOptions): Promise<Host> {
  const host = createHost({ portal: false, ...options })
  await host.start()
  return host
}
