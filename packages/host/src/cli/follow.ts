import { isDeepStrictEqual } from 'node:util'
import { type Config, configFiles, ConfigWatch, loadConfig } from '../control'
import { reasonOf } from '../errors'
import type { HostLog } from '../log'
import { logSettings } from './daemon'
import type { ServeFlags, Surroundings } from './options'

/** Keys that a running host takes; the others wait for its next start. */
const live: ReadonlySet<string> = new Set(['file', 'logLevel', 'logLevels', 'logDir', 'logFormat', 'portGroup'])

const changedKeys = (before: Config, now: Config): string[] =>
  Object.keys({ ...before, ...now }).filter((k) => !isDeepStrictEqual(before[k as keyof Config], now[k as keyof Config]))

/** Follow the configuration while the host runs: a good one is taken whole, of a bad one nothing is. Returns what ends it. */
export function followConfig(flags: ServeFlags, at: Surroundings, start: Config, log: HostLog, changed?: (config: Config) => void): () => void {
  let current = start
  const reload = (): void => {
    const faults: Error[] = []
    try {
      const next = loadConfig(flags.config, at.env, { system: at.system, fault: (e) => void faults.push(e) })
      if (faults.length) throw faults[0]
      const keys = changedKeys(current, next)
      if (!keys.length) return
      log.apply(logSettings(flags, at, next))
      current = next
      changed?.(next)
      const waiting = keys.filter((k) => !live.has(k))
      log.logger.info(`configuration read again; changed: ${keys.join(', ')}${waiting.length ? `; ${waiting.join(', ')} will hold from the next start on` : ''}`)
    } catch (e) {
      const all = faults.length ? faults : [e]
      for (const one of all) log.logger.error(`${reasonOf(one)}; the configuration stays as it was`)
    }
  }
  const watch = new ConfigWatch(configFiles(flags.config, at.env, { system: at.system }), reload).start()
  return () => watch.stop()
}
