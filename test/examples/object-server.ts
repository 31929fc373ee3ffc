import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the server does to a request instead of answering it as it should: a status, or the end of the connection. */
export type Mischief = (method: string, name: string, n: number) => number | 'hang up' | undefined

const tagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`

/** Objects by name, with ETags and conditional PUTs, as S3 has them. */
export class ObjectServer {
  readonly objects = new Map<string, Buffer>()
  readonly requests: string[] = []
  mischief: Mischief = () => undefined
  private readonly server: Server = createServer((request, response) => void this.serve(request, response))

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => void this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/bucket`
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const name = request.url!.split('/').at(-1)!
    const method = request.method!
    const wrong = this.mischief(method, name, this.requests.push(`${method} ${name}`))
    if (wrong === 'hang up') request.socket.destroy()
    else if (wrong !== undefined) response.writeHead(wrong).end()
    else this.answer(method, name, Buffer.concat(parts), request, response)
  }

  private answer(method: string, name: string, body: Buffer, { headers }: IncomingMessage, response: ServerResponse): void {
    const found = this.objects.get(name)
    if (method === 'GET' || method === 'HEAD') {
      if (found) response.writeHead(200, { etag: tagOf(found) }).end(found)
      else response.writeHead(404).end()
    } else if (method === 'DELETE') {
      this.objects.delete(name)
      response.writeHead(204).end()
    } else if ((headers['if-none-match'] === '*' && found) || (headers['if-match'] !== undefined && headers['if-match'] !== (found && tagOf(found)))) response.writeHead(412).end()
    else {
      this.objects.set(name, body)
      response.writeHead(200, { etag: tagOf(body) }).end()
    }
  }

  close(): Promise<void> {
    this.server.closeAllConnections()
    return new Promise((resolve) => void this.server.close(() => resolve()))
  }
}
