import { createHost, type Host, type HostOptions } from './host'

/** Make a host and start it: devices that are open, in one's own program. Without `portal` none listens. */
export async function openDevices(options: HostOptions): Promise<Host> {
  const host = createHost({ portal: false, ...options })
  await host.start()
  return host
}
