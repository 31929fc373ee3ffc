import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

type Answer = string | number | void

/** What scripts in a VM can have done on the machine that runs it, by name. */
export type Errands = Readonly<Record<string, (...words: string[]) => Answer | Promise<Answer>>>

const answer = async (errands: Errands, line: string): Promise<string> => {
  const [name = '', ...words] = line.split(' ')
  const errand = errands[name]
  try {
    if (errand === undefined) throw new Error(`nothing is called ${name}`)
    return `ok\n${(await errand(...words)) ?? ''}`
  } catch (error) {
    return `failed\n${String(error)}`
  }
}

/** Listens on loopback for a line of words a connection; the other end is `errand` of prelude.sh. */
export class ErrandServer {
  private constructor(private readonly server: Server) {}

  static async listen(errands: Errands): Promise<ErrandServer> {
    const server = createServer((socket: Socket) => {
      createInterface(socket.on('error', () => socket.destroy())).once('line', (line) => void answer(errands, line).then((text) => socket.end(text)))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ErrandServer(server)
  }

  get port(): number { return (this.server.address() as AddressInfo).port }

  close(): void { this.server.close() }
}
