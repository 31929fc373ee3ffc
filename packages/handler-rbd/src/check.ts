import { library } from './library'
import { placeOf } from './place'
import { openSession } from './session'

/** Seconds: an administrator waits for the answer. */
const PATIENCE = 5

/** Open the image and close it again, without taking anything; true, or what is wrong and what to do. */
export async function checkPlace(config: string): Promise<true | string> {
  const place = placeOf(config)
  if ('wrong' in place) return place.wrong
  try {
    const session = await openSession(library(), place, true, () => undefined, PATIENCE)
    await session.native.close()
    return true
  } catch (error) {
    return (error as Error).message.replace(/^E_\w+: /, '')
  }
}
