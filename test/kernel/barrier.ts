import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { until } from '../lib/run'
import { HOST, type Vm } from './vm'

const MEET_MS = 60_000

/** Where a script in the VM waits for its test: it says a line, and goes on when the test has done what it does at that line. */
export class Barrier {
  private readonly waiting: Socket[] = []
  private readonly server: Server = createServer((socket) => void this.waiting.push(socket.on('error', () => undefined)))

  /** Bash: the function `meet LINE`. */
  async script(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `meet() { echo "$1"; read -r < /dev/tcp/${HOST}/${(this.server.address() as AddressInfo).port}; }\n`
  }

  /** Do `work` when the script has said `line`; the script goes on afterwards, whatever came of it. */
  async meet(vm: Vm, line: string, work: () => void): Promise<void> {
    await vm.said(line)
    await until(() => this.waiting.length > 0, `the script waits at ${line}`, MEET_MS)
    try {
      work()
    } finally {
      this.waiting.shift()!.end()
    }
  }

  close(): void {
    for (const socket of this.waiting) socket.destroy()
    this.server.close()
  }
}
