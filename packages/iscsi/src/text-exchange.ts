import type { Channel } from './channel'
import { ProtocolError } from './errors'
import { NO_TAG, Opcode, TextResponse } from './pdu'
import { formatText, type Pair, TextCollector } from './text'

const MAX_TEXT = 16384
/** Target transfer tag of an answer that is not finished; there is one at a time. */
const CONTINUE = 1

interface TextHeader {
  readonly itt: number
  readonly ttt: number
  readonly final: number
  readonly more: number
}

/** Text requests in full feature phase, one at a time, either side in several PDUs (RFC 7143 11.10). */
export class TextExchange {
  private readonly collected = new TextCollector(MAX_TEXT)
  private rest: Buffer | undefined

  constructor(private readonly answer: (pairs: Pair[]) => Pair[]) {}

  request(channel: Channel, h: TextHeader, data: Uint8Array): void {
    if (h.ttt === NO_TAG) this.rest = undefined
    else if (h.ttt !== CONTINUE) throw new ProtocolError(`a text request has the unknown target transfer tag ${h.ttt}`)
    if (h.more && h.final) throw new ProtocolError('a text request is both continued and final')
    if (this.rest) return this.send(channel, h)
    this.collected.add(data)
    if (h.more) return channel.send(TextResponse, { opcode: Opcode.TEXT_RESPONSE, itt: h.itt, ttt: CONTINUE })
    this.rest = formatText(this.answer(this.collected.take()))
    this.send(channel, h)
  }

  private send(channel: Channel, h: TextHeader): void {
    const part = this.rest!.subarray(0, channel.parameters.MaxRecvDataSegmentLength)
    const rest = this.rest!.subarray(part.length)
    const more = rest.length > 0
    const final = !more && h.final === 1
    this.rest = more ? rest : undefined
    channel.send(TextResponse, { opcode: Opcode.TEXT_RESPONSE, final, more, itt: h.itt, ttt: final ? NO_TAG : CONTINUE }, part)
  }
}
