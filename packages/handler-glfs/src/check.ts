import { library } from './library'
import { parseLocation } from './location'
import { openFailures, refusalOf } from './refuse'
import { factsOf, type GlfsOptions, pathOf, withVolume } from './session'

/** Open the file and close it again, without writing to it; true, or what is wrong and what to do. */
export async function checkFile(config: string, options: GlfsOptions = {}): Promise<true | string> {
  const location = parseLocation(config)
  if (typeof location === 'string') return location
  try {
    return await withVolume(library(), location, options, async ({ session, call }): Promise<true> => {
      try {
        await call('open', pathOf(location), 'readOnly')
      } catch (error) {
        if (!options.create || (error as { code?: string }).code !== 'ENOENT') throw refusalOf(openFailures, error, factsOf(location, 'the LUN'))
      }
      void session.close()
      return true
    })
  } catch (error) {
    return (error as Error).message.replace(/^E_\w+: /, '')
  }
}
