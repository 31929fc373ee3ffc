import { parseCfgstring, parseSize } from '../control'
import { quote, reasonOf, tcmuError } from '../errors'
import { createHost } from '../host'
import { COMMAND_LINE } from './command-line'
import { type HandlerFlags, handlerOptions, type Surroundings } from './options'

export interface CheckFlags extends HandlerFlags {
  readonly size?: string
  readonly options?: string
  readonly json?: boolean
}

function optionsOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch (e) {
    throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: '--options', wanted: `JSON (${reasonOf(e)})`, found: quote(text) })
  }
}

/** Ask a handler whether it takes a cfgstring; opens nothing. Resolves to the exit code. */
export async function check(text: string, flags: CheckFlags, at: Surroundings, print: (line: string) => void): Promise<number> {
  const { subtype, config } = parseCfgstring(text)
  if (flags.size !== undefined) parseSize(flags.size)
  const host = createHost(handlerOptions(flags, at))
  const verdict = await host.check(subtype, config, optionsOf(flags.options))
  const { candidate } = host.registry.find(subtype)
  const who = { subtype, package: candidate.package, version: candidate.version, path: candidate.path }
  const ok = verdict === true
  if (flags.json) print(JSON.stringify({ ...who, config, ok, reason: ok ? undefined : verdict }))
  else print(ok ? `${subtype} takes it (${who.package} ${who.version} in ${who.path})` : `${subtype} refuses it: ${verdict}`)
  return ok ? 0 : 1
}
