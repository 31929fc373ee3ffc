import type { NativeGlfs, NativeSession } from '@tcmu/native/glfs'
import { within } from './deadline'
import { type Location, locationText } from './location'
import { connectFailures, refusalOf } from './refuse'

/** Structured options of a device; package.json has their schema. */
export interface GlfsOptions {
  readonly create?: boolean
  readonly readOnly?: boolean
  readonly logFile?: string
  readonly logLevel?: keyof typeof logLevels
}

/** As libgfapi counts them. */
const logLevels = { error: 4, warning: 5, info: 7, debug: 8, trace: 9 } as const

/** A server that takes connections and answers nothing would be waited for without end. */
const CALL_MS = 20_000

/** A call of a session; rejects with ETIMEDOUT when it takes too long, and goes on by itself then. */
export type Call = (name: string, ...texts: readonly string[]) => Promise<readonly string[]>

export interface Connected {
  readonly native: NativeGlfs
  readonly session: NativeSession
  readonly call: Call
}

const callOf = (session: NativeSession): Call => async (name, ...texts) => {
  const answer = await within(CALL_MS, session.call(name, ...texts))
  if (!answer) throw Object.assign(new Error(`ETIMEDOUT: no answer in ${CALL_MS / 1000} s, ${name}`), { code: 'ETIMEDOUT' })
  return answer
}

/** What sentences are made of. */
export const factsOf = (location: Location, device: string): Record<string, string> => ({ location: locationText(location), volume: location.volume, device })

/** The path as libgfapi has it. */
export const pathOf = ({ path }: Location): string => `/${path}`

/** Connect to the volume and do `work` with it; a session stays open only when that goes well. */
export async function withVolume<T>(native: NativeGlfs, location: Location, options: GlfsOptions = {}, work: (connected: Connected) => Promise<T>): Promise<T> {
  const session = new native.Session(() => undefined)
  const call = callOf(session)
  const servers = location.servers.flatMap(({ transport, host, port }) => [transport, host, String(port)])
  try {
    await call('connect', location.volume, options.logFile ?? '', String(logLevels[options.logLevel ?? 'info']), ...servers).catch((e: unknown) => {
      throw refusalOf(connectFailures, e, factsOf(location, ''))
    })
    return await work({ native, session, call })
  } catch (error) {
    // It may be waiting for the server still.
    void session.close()
    throw error
  }
}
