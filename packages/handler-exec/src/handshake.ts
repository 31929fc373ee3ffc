import { type DeviceInfo, TcmuError } from '@tcmu/host/handler'
import { Segments } from '@tcmu/host/scsi'
import type { ExecConfig } from './config'
import type { Connection } from './connection'
import { Ability, Hello, KNOWN_ABILITIES, MAX_PAYLOAD, ops, PROTOCOL_VERSION, Welcome } from './frames'

/** What a program says of itself, checked. */
export interface Terms {
  readonly abilities: number
  readonly sizeBytes: number
  /** Longest payload, whole blocks. */
  readonly maxPayload: number
  readonly inflight: number
}

export const can = (terms: Pick<Terms, 'abilities'>, ability: keyof typeof Ability): boolean => (terms.abilities & Ability[ability]) !== 0

/** The terms, or what is wrong with them. */
export function termsOf(bytes: Uint8Array, blockSize: number, asked: { readonly sizeBytes: number; readonly inflight: number }): Terms | string {
  const w = Welcome.decode(bytes)
  if (w.version !== PROTOCOL_VERSION) return `it speaks version ${w.version} of the protocol, and this host version ${PROTOCOL_VERSION}`
  if (w.abilities & ~KNOWN_ABILITIES || w.abilities > KNOWN_ABILITIES) return `it has abilities 0x${w.abilities.toString(16)}, of which version ${PROTOCOL_VERSION} knows 0x${KNOWN_ABILITIES.toString(16)}`
  if (w.inflight < 1) return 'it takes no request at all (inflight 0)'
  if (w.maxPayload < blockSize) return `its longest payload, ${w.maxPayload} bytes, holds no block of ${blockSize}`
  const sizeBytes = w.sizeBytes || asked.sizeBytes
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < blockSize) return `its size is ${sizeBytes} bytes; give the LUN a size`
  if (asked.sizeBytes && sizeBytes !== asked.sizeBytes) return `its size is ${sizeBytes} bytes, and the LUN is to have ${asked.sizeBytes}`
  const most = Math.min(w.maxPayload, MAX_PAYLOAD)
  return { abilities: w.abilities, sizeBytes, maxPayload: most - (most % blockSize), inflight: Math.min(w.inflight, asked.inflight) }
}

export const execError = (dev: Pick<DeviceInfo, 'name'>, config: ExecConfig, reason: string): TcmuError =>
  new TcmuError('E_EXEC', `device ${dev.name}: ${config.path}: ${reason}. docs/exec-protocol.md says what a program has to do`, { device: dev.name, path: config.path })

/** Say hello. Rejects when the program does not answer as it should. */
export async function greet(connection: Connection, dev: DeviceInfo, config: ExecConfig, sizeBytes: number): Promise<Terms> {
  const hello = Hello.encode({ version: PROTOCOL_VERSION, inflight: config.inflight, blockSize: dev.blockSize, sizeBytes, maxPayload: MAX_PAYLOAD })
  const welcome = Segments.allocate(Welcome.size)
  try {
    await connection.request({ op: ops.hello, payload: Buffer.concat([hello, Buffer.from(dev.name, 'utf8')]), into: welcome })
  } catch (e) {
    throw execError(dev, config, (e as Error).message)
  }
  const terms = termsOf(welcome.toBuffer(), dev.blockSize, { sizeBytes, inflight: config.inflight })
  if (typeof terms === 'string') throw execError(dev, config, terms)
  return terms
}
