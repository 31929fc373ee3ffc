import { lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { quote, reasonOf, TcmuError, tcmuError } from '../errors'

/** Requests are short; a line beyond this ends the connection. */
const MAX_REQUEST = 64 * 1024
/** Answers that a peer asks for and does not read. */
const MAX_UNREAD = 16 * 1024 * 1024
const MAX_ANSWER = 64 * 1024 * 1024
const MAX_CONNECTIONS = 32
const IDLE_MS = 60_000
const CALL_MS = 5000
/** sun_path of Linux without its closing zero. */
const MAX_PATH = 107

export type Methods = Readonly<Record<string, (params: unknown) => unknown>>
type Env = Readonly<Record<string, string | undefined>>

/** Root's, made by the service manager; the kernel's daemon makes it where there is none. */
const RUNTIME_FOLDER = '/run/tcmu'

/** Where the socket is when nobody says: the runtime folder of the user, or root's when it is there or `kernel` is served. */
export function defaultSocket(env: Env, uid: number | undefined, kernel = false): string | undefined {
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'tcmu-host.sock')
  const usable = uid === 0 && (kernel || lstatSync(RUNTIME_FOLDER, { throwIfNoEntry: false })?.isDirectory())
  return usable ? join(RUNTIME_FOLDER, 'host.sock') : undefined
}

/** JSON-RPC 2.0 error codes. */
const rpc = { PARSE: -32700, INVALID: -32600, METHOD: -32601, INTERNAL: -32603 } as const

interface Answer { readonly jsonrpc: '2.0'; readonly id: unknown; readonly result?: unknown; readonly error?: Fault }
/** `data` names an error of ours. */
interface Fault { readonly code: number; readonly message: string; readonly data?: { readonly code: string } }
const failure = (id: unknown, code: number, message: string): Answer => ({ jsonrpc: '2.0', id, error: { code, message } })

function faultOf(e: unknown): Fault {
  if (!(e instanceof TcmuError)) return { code: rpc.INTERNAL, message: reasonOf(e) }
  return { code: rpc.INTERNAL, message: e.message.slice(e.code.length + 2), data: { code: e.code } }
}

/** Answer one line. Never rejects. */
export async function answer(line: string, methods: Methods): Promise<Answer> {
  let request: unknown
  try {
    request = JSON.parse(line)
  } catch (e) {
    return failure(null, rpc.PARSE, `not JSON: ${reasonOf(e)}`)
  }
  const { id, method, params } = (typeof request === 'object' && request !== null ? request : {}) as { id?: unknown; method?: unknown; params?: unknown }
  const name = typeof id === 'string' || typeof id === 'number' ? id : null
  if (typeof method !== 'string') return failure(name, rpc.INVALID, 'wanted {"jsonrpc":"2.0","id":1,"method":"..."}')
  if (!Object.hasOwn(methods, method)) return failure(name, rpc.METHOD, `no method ${quote(method)}; there are ${Object.keys(methods).join(', ')}`)
  try {
    return { jsonrpc: '2.0', id: name, result: (await methods[method](params)) ?? null }
  } catch (e) {
    return { jsonrpc: '2.0', id: name, error: faultOf(e) }
  }
}

function serveConnection(socket: Socket, methods: Methods): void {
  let rest = ''
  socket.setEncoding('utf8').setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  // One call at a time: what comes meanwhile waits in the socket.
  const serve = async (text: string): Promise<void> => {
    socket.pause()
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.trim() === '' || socket.destroyed) continue
      const said = await answer(line, methods)
      if (!socket.destroyed) socket.write(`${JSON.stringify(said)}\n`)
    }
    if (rest.length > MAX_REQUEST || socket.writableLength > MAX_UNREAD) socket.destroy()
    socket.resume()
  }
  socket.on('data', (text: string) => void serve(text))
}

const connects = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path)
    const end = (live: boolean) => (): void => {
      socket.destroy()
      resolve(live)
    }
    socket.once('connect', end(true)).once('error', end(false))
  })

/** What `tcmu-host devices` talks to: JSON-RPC 2.0, one object a line, on a Unix socket that only its owner can open. */
export class ControlSocket {
  private readonly server: Server
  private readonly connections = new Set<Socket>()
  private bound = false

  constructor(readonly path: string, methods: Methods) {
    this.server = createServer((socket) => {
      this.connections.add(socket)
      socket.once('close', () => this.connections.delete(socket))
      serveConnection(socket, methods)
    })
    this.server.maxConnections = MAX_CONNECTIONS
  }

  /** Bind; what a host that died left there is removed. Rejects with E_SOCKET. */
  async listen(): Promise<void> {
    const wrong = (reason: string, cause?: unknown): Error => tcmuError('E_SOCKET', { path: this.path, reason }, { cause })
    if (Buffer.byteLength(this.path) > MAX_PATH) throw wrong(`the path is longer than ${MAX_PATH} bytes; choose a shorter one with --socket`)
    if (dirname(this.path) === RUNTIME_FOLDER) mkdirSync(RUNTIME_FOLDER, { recursive: true, mode: 0o700 })
    const there = lstatSync(this.path, { throwIfNoEntry: false })
    if (there && !there.isSocket()) throw wrong('something that is no socket is there; remove it, or choose another path with --socket')
    if (there && (await connects(this.path))) throw wrong('another host answers there; stop it, or choose another path with --socket')
    try {
      if (there) unlinkSync(this.path)
      await this.bind()
    } catch (e) {
      throw wrong(reasonOf(e), e)
    }
    this.bound = true
  }

  private bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      const umask = process.umask(0o177)
      try {
        // The socket file is made before listen() returns.
        this.server.listen(this.path, () => {
          this.server.off('error', reject)
          resolve()
        })
      } finally {
        process.umask(umask)
      }
    })
  }

  close(): Promise<void> {
    for (const socket of this.connections) socket.destroy()
    if (!this.bound) return Promise.resolve()
    return new Promise((resolve) => this.server.close(() => resolve()))
  }
}

/**
 * Ask a running host. Rejects with E_NOT_RUNNING when none answers within `callMs`, and with the error it answers with: E_SOCKET
 * when that has no code of its own.
 */
export function callSocket(path: string, method: string, params?: object, callMs = CALL_MS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    let text = ''
    const end = (settle: () => void): void => {
      socket.destroy()
      settle()
    }
    const fail = (reason: string): void => end(() => reject(tcmuError('E_NOT_RUNNING', { path, reason })))
    socket.setEncoding('utf8').setTimeout(callMs, () => fail(`no answer within ${callMs / 1000} s`))
    socket.on('error', (e: NodeJS.ErrnoException) => fail(e.code === 'ENOENT' ? 'there is no such socket' : reasonOf(e)))
    socket.on('close', () => fail('it closed the connection'))
    socket.on('connect', () => socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`))
    socket.on('data', (more: string) => {
      text += more
      if (text.length > MAX_ANSWER) return fail('the answer is too long')
      if (!text.includes('\n')) return
      end(() => {
        try {
          const { result, error } = JSON.parse(text.slice(0, text.indexOf('\n'))) as Partial<Answer>
          if (error?.data) reject(new TcmuError(error.data.code, error.message))
          else if (error) reject(tcmuError('E_SOCKET', { path, reason: error.message }))
          else resolve(result)
        } catch (e) {
          reject(tcmuError('E_SOCKET', { path, reason: `the answer is not JSON: ${reasonOf(e)}` }))
        }
      })
    })
  })
}
