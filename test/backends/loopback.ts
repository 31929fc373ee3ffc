import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** Of 127/8, so that nothing leaves the machine, and of a part that nobody else uses; scripts in a VM reach it after `own_loopback`. */
export const anyAddress = (): string => `127.77.${Math.floor(Math.random() * 256)}.${1 + Math.floor(Math.random() * 254)}`

export const listens = (host: string, port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect({ host, port })
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('connect', () => socket.destroy())
})

/** A loopback address where nobody listens on `port`. */
export async function freeAddress(port: number): Promise<string> {
  for (;;) {
    const address = anyAddress()
    if (!(await listens(address, port))) return address
  }
}

export async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
