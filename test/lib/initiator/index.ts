import { DataIn, DataOut, NO_TAG, pairsOf, pdu, PlainRequest, R2t, request, Response, response, ScsiCommand, ScsiResponse, textOf, TmfRequest } from './pdu'
import { firstLogin, type LoggedIn, loginAnswer, type LoginOptions } from './login'
import { type Pdu, Wire } from './wire'

export { LoginRefused, type LoginOptions, firstLogin, loginPdu } from './login'
export { Wire, type Pdu } from './wire'

export interface Answer {
  readonly status: number
  readonly sense: Buffer
  readonly data: Buffer
  /** Bytes missing (positive) or beyond what was expected (negative). */
  readonly residual: number
}
/** RFC 7143 11.5.1. */
export const tmf = { abortTask: 1, abortTaskSet: 2, clearAca: 3, clearTaskSet: 4, lunReset: 5, targetWarmReset: 6, targetColdReset: 7 } as const
export const samStatus = { good: 0x00, check: 0x02, busy: 0x08, conflict: 0x18, taskSetFull: 0x28, aborted: 0x40 } as const

interface Live {
  readonly lun: Uint8Array
  readonly out: Buffer
  readonly data: Buffer
  readonly done: (answer: Answer | Error) => void
}
interface Command { readonly cdb: Uint8Array; readonly lun?: number; readonly out?: Buffer; readonly in?: number }

const lunBytes = (lun: number): Uint8Array => Uint8Array.of(0, lun)
const before = (a: number, b: number): boolean => ((a - b) | 0) < 0

/** One iSCSI session with one connection, written from RFC 7143 for the tests: nothing of it is shared with the portal. */
export class Initiator {
  private cmdSn: number
  private expStatSn: number
  private maxCmdSn: number
  private nextTag = 2
  private readonly live = new Map<number, Live>()
  private readonly replies = new Map<number, (got: Pdu) => void>()
  private readonly queue: (() => void)[] = []
  readonly asyncEvents: Pdu[] = []
  readonly rejects: Pdu[] = []

  private constructor(private readonly wire: Wire, readonly login: LoggedIn) {
    this.cmdSn = login.expCmdSn
    this.maxCmdSn = login.maxCmdSn
    this.expStatSn = (login.statSn + 1) >>> 0
    void wire.closed.then(() => this.fail())
  }

  static async open(port: number, options: LoginOptions): Promise<Initiator> {
    let handle: (got: Pdu) => void = () => undefined
    const wire = await Wire.open(port, (got) => handle(got))
    const got = await Promise.race([
      new Promise<Pdu>((resolve) => {
        handle = resolve
        wire.send(firstLogin(options))
      }),
      wire.closed.then(() => { throw new Error('the target closed the connection during login') }),
    ])
    try {
      const session = new Initiator(wire, loginAnswer(got))
      handle = (p) => session.take(p)
      return session
    } catch (error) {
      wire.destroy()
      throw error
    }
  }

  get gone(): boolean { return this.wire.gone }
  get closed(): Promise<void> { return this.wire.closed }
  get inFlight(): number { return this.live.size }
  /** Send bytes of one's own making. */
  raw(bytes: Uint8Array): void { this.wire.send(bytes) }
  destroy(): void { this.wire.destroy() }
  /** Tag that the next command will have, for task management. */
  get upcomingTag(): number { return this.nextTag }

  /** Send a command when the window allows. Rejects when the connection goes before its response. */
  command({ cdb, lun = 0, out = Buffer.alloc(0), in: room = 0 }: Command): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.gone) return reject(new Error('the connection is gone'))
      const itt = this.nextTag++
      this.live.set(itt, { lun: lunBytes(lun), out, data: Buffer.alloc(room), done: (a) => (a instanceof Error ? reject(a) : resolve(a)) })
      const send = (): void => this.sendCommand(itt, cdb, out, room)
      if (this.queue.length || before(this.maxCmdSn, this.cmdSn)) this.queue.push(send)
      else send()
    })
  }

  private sendCommand(itt: number, cdb: Uint8Array, out: Buffer, room: number): void {
    const task = this.live.get(itt)
    if (!task) return
    const immediate = out.subarray(0, this.login.keys.get('ImmediateData') === 'No' ? 0 : Math.min(this.number('FirstBurstLength', 65536), this.targetSegment))
    this.wire.send(pdu(ScsiCommand.encode({
      opcode: request.scsi, final: 1, read: room > 0, write: out.length > 0, attributes: 1, dataLength: immediate.length, lun: task.lun, itt,
      expected: out.length || room, cmdSn: this.takeCmdSn(), expStatSn: this.expStatSn, cdb,
    }), immediate))
  }

  private number(key: string, otherwise: number): number { return Number(this.login.keys.get(key) ?? otherwise) }
  private get targetSegment(): number { return this.number('MaxRecvDataSegmentLength', 8192) }
  private takeCmdSn(): number {
    const now = this.cmdSn
    this.cmdSn = (now + 1) >>> 0
    return now
  }

  /** Task management, sent at once. Resolves to the response code: 0 is complete. */
  async manage(task: number, { lun = 0, referenced = NO_TAG, refCmdSn = 0 }: { lun?: number; referenced?: number; refCmdSn?: number } = {}): Promise<number> {
    const got = await this.ask((itt) => TmfRequest.encode({
      opcode: request.tmf, immediate: 1, final: 1, task, lun: lunBytes(lun), itt, referenced, cmdSn: this.cmdSn, expStatSn: this.expStatSn, refCmdSn,
    }))
    return Response.decode(got.header).code
  }

  async nop(data: Buffer = Buffer.from('are you there')): Promise<Buffer> {
    const got = await this.ask((itt) => PlainRequest.encode({
      opcode: request.nop, immediate: 1, final: 1, itt, ttt: NO_TAG, cmdSn: this.cmdSn, expStatSn: this.expStatSn, dataLength: data.length,
    }), data)
    return got.data
  }

  async text(pairs: Readonly<Record<string, string>>): Promise<[string, string][]> {
    const data = textOf(pairs)
    const got = await this.ask((itt) => PlainRequest.encode({
      opcode: request.text, final: 1, itt, ttt: NO_TAG, cmdSn: this.takeCmdSn(), expStatSn: this.expStatSn, dataLength: data.length,
    }), data)
    return pairsOf(got.data)
  }

  async logout(): Promise<void> {
    await this.ask((itt) => PlainRequest.encode({ opcode: request.logout, immediate: 1, final: 1, itt, ttt: 0, cmdSn: this.cmdSn, expStatSn: this.expStatSn }))
    await this.wire.closed
  }

  private ask(header: (itt: number) => Uint8Array, data?: Buffer): Promise<Pdu> {
    const itt = this.nextTag++
    return Promise.race([
      new Promise<Pdu>((resolve) => {
        this.replies.set(itt, (got) => resolve({ ...got, data: Buffer.from(got.data) }))
        this.wire.send(pdu(header(itt), data))
      }),
      this.wire.closed.then(() => { throw new Error('the connection went before the response') }),
    ])
  }

  private take(got: Pdu): void {
    const { opcode, header } = got
    if (opcode === response.dataIn) return this.dataIn(got)
    if (opcode === response.r2t) return this.readyToTransfer(got)
    const h = Response.decode(header)
    const asks = opcode === response.nop && h.itt === NO_TAG
    if (!asks) this.numbered(h.statSn)
    this.window(h.maxCmdSn)
    if (opcode === response.scsi) this.scsiResponse(got)
    else if (opcode === response.async) this.asyncEvents.push(got)
    else if (opcode === response.reject) this.rejects.push(got)
    else if (asks) this.answerPing(h.ttt, h.lun)
    else {
      this.replies.get(h.itt)?.(got)
      this.replies.delete(h.itt)
    }
  }

  private answerPing(ttt: number, lun: Uint8Array): void {
    if (ttt === NO_TAG) return
    this.wire.send(PlainRequest.encode({ opcode: request.nop, immediate: 1, final: 1, lun, itt: NO_TAG, ttt, cmdSn: this.cmdSn, expStatSn: this.expStatSn }))
  }

  private numbered(statSn: number): void {
    if (statSn !== this.expStatSn) throw new Error(`StatSN ${statSn} where ${this.expStatSn} was expected`)
    this.expStatSn = (statSn + 1) >>> 0
  }

  private window(maximum: number): void {
    if (before(this.maxCmdSn, maximum)) this.maxCmdSn = maximum
    while (this.queue.length && !before(this.maxCmdSn, this.cmdSn)) this.queue.shift()!()
  }

  private dataIn({ header, data }: Pdu): void {
    const h = DataIn.decode(header)
    const task = this.live.get(h.itt)
    if (h.hasStatus) this.numbered(h.statSn)
    if (task) {
      if (h.offset + data.length > task.data.length) throw new Error(`Data-In beyond the ${task.data.length} bytes that were asked for`)
      data.copy(task.data, h.offset)
    }
    this.window(h.maxCmdSn)
    if (h.hasStatus) this.finish(h.itt, h.status, Buffer.alloc(0), h)
  }

  private readyToTransfer({ header }: Pdu): void {
    const h = R2t.decode(header)
    this.window(h.maxCmdSn)
    const task = this.live.get(h.itt)
    if (!task) return
    const end = h.offset + h.length
    for (let at = h.offset, dataSn = 0; at < end; dataSn++) {
      const part = task.out.subarray(at, Math.min(end, at + this.targetSegment))
      this.wire.send(pdu(DataOut.encode({
        opcode: request.dataOut, final: at + part.length === end, dataLength: part.length, lun: task.lun, itt: h.itt, ttt: h.ttt,
        expStatSn: this.expStatSn, dataSn, offset: at,
      }), part))
      at += part.length
    }
  }

  private scsiResponse({ header, data }: Pdu): void {
    const h = ScsiResponse.decode(header)
    const sense = data.length >= 2 ? Buffer.from(data.subarray(2, 2 + data.readUInt16BE(0))) : Buffer.alloc(0)
    this.finish(h.itt, h.response === 0 ? h.status : -h.response, sense, h)
  }

  private finish(itt: number, status: number, sense: Buffer, h: { overflow: number; underflow: number; residual: number }): void {
    const task = this.live.get(itt)
    if (!task) throw new Error(`a response for tag ${itt}, which is not in flight`)
    this.live.delete(itt)
    const residual = h.overflow ? -h.residual : h.underflow ? h.residual : 0
    task.done({ status, sense, data: residual > 0 ? task.data.subarray(0, Math.max(0, task.data.length - residual)) : task.data, residual })
  }

  /** Forget the commands that task management ended without a response. */
  abandon(): number {
    const n = this.live.size
    for (const task of this.live.values()) task.done(new Error('aborted'))
    this.live.clear()
    return n
  }

  private fail(): void {
    for (const task of this.live.values()) task.done(this.wire.fault ?? new Error('the connection is gone'))
    this.live.clear()
  }
}
