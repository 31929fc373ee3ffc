import { lunHigh } from '../lun-address'
import { DataIn, DataOut, LoginRequest, LoginResponse, NO_TAG, Opcode, ReadyToTransfer, ScsiCommand, ScsiResponse, SenseLength, TaskManagement, TaskManagementResponse } from '../pdu'
import { formatText, parseText, type Pair } from '../text'
import { type Pdu, Wire } from './wire'

export interface LoginAnswer {
  readonly status: number
  readonly transit: boolean
  readonly nextStage: number
  readonly tsih: number
  readonly keys: Map<string, string>
}

export interface CommandSpec {
  readonly cdb: Uint8Array
  readonly lun?: number
  readonly out?: Uint8Array
  readonly in?: number
  /** Expected data transfer length; default: what `out` and `in` say. */
  readonly expected?: number
  /** Bytes of `out` sent with the command, and after it without R2T. */
  readonly immediate?: number
  readonly unsolicited?: number
  readonly urgent?: boolean
}
export interface Outcome {
  readonly status: number
  readonly data: Buffer
  readonly sense: Buffer
  /** Positive: overflow; negative: underflow. */
  readonly residual: number
  /** PDUs of each kind that were needed. */
  readonly dataIn: number
  readonly r2t: number
  /** Status came with the last Data-In. */
  readonly collapsed: boolean
}

export const keys = { InitiatorName: 'iqn.2026-11.test:one', TargetName: 'iqn.2026-11.test:target', SessionType: 'Normal' }

/** A small initiator for tests: one command at a time unless a test sends PDUs itself. */
export class Initiator {
  cmdSn = 1
  itt = 1
  expStatSn = 0
  /** Longest data segment it sends. */
  segment = 8192

  private constructor(readonly wire: Wire, readonly isid: Uint8Array<ArrayBuffer>) {}

  static async connect(port: number, isid: Uint8Array<ArrayBuffer> = Uint8Array.of(0x80, 0, 0, 0, 0, 1)): Promise<Initiator> {
    return new Initiator(await Wire.open(port), isid)
  }

  /** Connect and log in with these keys, straight in the operational stage. Throws when it is refused. */
  static async login(port: number, more: Readonly<Record<string, string>> = {}, isid?: Uint8Array<ArrayBuffer>): Promise<Initiator> {
    const i = await Initiator.connect(port, isid)
    const answer = await i.step({ transit: 1, currentStage: 1, nextStage: 3 }, Object.entries({ ...keys, ...more }))
    if (answer.status !== 0 || !answer.transit) throw new Error(`login: status ${answer.status.toString(16)}`)
    i.wire.digests.header = answer.keys.get('HeaderDigest') === 'CRC32C'
    i.wire.digests.data = answer.keys.get('DataDigest') === 'CRC32C'
    return i
  }

  /** One login request and its response. */
  async step(fields: object, pairs: readonly Pair[]): Promise<LoginAnswer> {
    this.wire.send(LoginRequest.encode({ opcode: Opcode.LOGIN, immediate: 1, isid: this.isid, itt: this.itt, cmdSn: this.cmdSn, ...fields }), formatText(pairs))
    const pdu = await this.wire.next()
    const h = LoginResponse.decode(pdu.header)
    this.expStatSn = h.statSn + 1
    return { status: h.statusClass * 256 + h.statusDetail, transit: h.transit === 1, nextStage: h.nextStage, tsih: h.tsih, keys: new Map(parseText(pdu.data)) }
  }

  /** Send a command PDU and, without waiting for R2T, its unsolicited data. Returns its tag. */
  start(spec: CommandSpec): number {
    const itt = this.itt++
    const { out, immediate = 0, unsolicited = 0 } = spec
    const expected = spec.expected ?? out?.length ?? spec.in ?? 0
    this.wire.send(ScsiCommand.encode({
      opcode: Opcode.SCSI_COMMAND, immediate: spec.urgent ?? false, final: unsolicited === 0, read: spec.in !== undefined, write: out !== undefined,
      attributes: 1, lunHigh: lunHigh(spec.lun ?? 0), itt, expectedLength: expected, cmdSn: this.cmdSn, expStatSn: this.expStatSn,
      cdb: spec.cdb.subarray(0, 16),
    }), out?.subarray(0, immediate))
    if (!spec.urgent) this.cmdSn++
    if (unsolicited > 0) this.sendData(itt, NO_TAG, out!, immediate, unsolicited)
    return itt
  }

  sendData(itt: number, ttt: number, out: Uint8Array, offset: number, length: number): void {
    for (let at = 0, dataSn = 0; at < length; dataSn++) {
      const n = Math.min(this.segment, length - at)
      const header = DataOut.encode({ opcode: Opcode.DATA_OUT, final: at + n === length, itt, ttt, dataSn, bufferOffset: offset + at })
      this.wire.send(header, out.subarray(offset + at, offset + at + n))
      at += n
    }
  }

  async command(spec: CommandSpec): Promise<Outcome> {
    return this.finish(this.start(spec), spec)
  }

  /** Answer R2Ts and take Data-In of one command until it has ended. */
  async finish(itt: number, spec: CommandSpec): Promise<Outcome> {
    const data = Buffer.alloc(spec.in ?? 0)
    const seen = { dataIn: 0, r2t: 0, bytes: 0 }
    for (;;) {
      const pdu = await this.wire.next()
      if (pdu.opcode === Opcode.R2T) {
        const h = ReadyToTransfer.decode(pdu.header)
        expectEqual('R2TSN', h.r2tSn, seen.r2t++)
        this.sendData(itt, h.ttt, spec.out!, h.bufferOffset, h.desiredLength)
      } else if (pdu.opcode === Opcode.DATA_IN) {
        const h = DataIn.decode(pdu.header)
        expectEqual('tag', h.itt, itt)
        expectEqual('DataSN', h.dataSn, seen.dataIn++)
        expectEqual('offset', h.bufferOffset, seen.bytes)
        pdu.data.copy(data, h.bufferOffset)
        seen.bytes += pdu.data.length
        if (h.hasStatus) return this.outcome(h, data.subarray(0, seen.bytes), Buffer.alloc(0), seen, true)
      } else return this.ended(pdu, itt, data.subarray(0, seen.bytes), seen)
    }
  }

  private ended(pdu: Pdu, itt: number, data: Buffer, seen: { dataIn: number; r2t: number }): Outcome {
    expectEqual('operation code', pdu.opcode, Opcode.SCSI_RESPONSE)
    const h = ScsiResponse.decode(pdu.header)
    expectEqual('tag', h.itt, itt)
    const sense = pdu.data.length ? pdu.data.subarray(SenseLength.size, SenseLength.size + SenseLength.decode(pdu.data).length) : pdu.data
    return this.outcome(h, data, sense, seen, false)
  }

  private outcome(
    h: { status: number; statSn: number; overflow: number; underflow: number; residual: number }, data: Buffer, sense: Buffer,
    seen: { dataIn: number; r2t: number }, collapsed: boolean,
  ): Outcome {
    this.expStatSn = h.statSn + 1
    return { status: h.status, data, sense, residual: h.overflow ? h.residual : h.underflow ? -h.residual : 0, dataIn: seen.dataIn, r2t: seen.r2t, collapsed }
  }

  /** Send a task management function; returns its response code. */
  async manage(code: number, fields: { lun?: number; referencedTag?: number; refCmdSn?: number } = {}): Promise<number> {
    const { lun = 0, ...more } = fields
    this.wire.send(TaskManagement.encode({
      opcode: Opcode.TASK_MANAGEMENT, immediate: 1, final: 1, function: code, lunHigh: lunHigh(lun), itt: this.itt++, cmdSn: this.cmdSn, ...more,
    }))
    return TaskManagementResponse.decode((await this.wire.next()).header).response
  }

  /** Take unit attentions away from LUN `lun`. */
  async settle(lun = 0): Promise<this> {
    for (let i = 0; i < 16; i++) if ((await this.command({ cdb: new Uint8Array(16), lun })).status === 0) return this
    throw new Error('unit attentions without end')
  }

  close(): void {
    this.wire.socket.destroy()
  }
}

function expectEqual(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${what} is ${found}, expected ${wanted}`)
}
