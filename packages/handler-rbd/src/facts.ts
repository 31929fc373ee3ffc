import type { NativeSession } from '@tcmu/native/rbd'
import type { Place } from './place'

/** What an image is like. */
export interface Facts {
  readonly sizeBytes: number
  readonly objectBytes: number
  readonly imageId: string
  readonly exclusiveLock: boolean
  /** What is stored where is known without asking each object. */
  readonly fastDiff: boolean
  /** Bytes. */
  readonly discardGranularity: number
  /** undefined: the cluster does not say. */
  readonly solidState: boolean | undefined
}

const feature = { EXCLUSIVE_LOCK: 4n, FAST_DIFF: 16n }

/** What a monitor answers. */
export const ask = async (native: NativeSession, command: object): Promise<unknown> => JSON.parse((await native.call('monitor', JSON.stringify({ format: 'json', ...command })))[0] || 'null')

/** Whether the pool's rule takes drives of a class that does not seek; a class that is not there is an error to the monitor. */
async function solidState(native: NativeSession, pool: string): Promise<boolean | undefined> {
  try {
    const { crush_rule: rule } = (await ask(native, { prefix: 'osd pool get', pool, var: 'crush_rule' })) as { crush_rule: string }
    for (const name of ['ssd', 'nvme']) {
      const rules = await ask(native, { prefix: 'osd crush rule ls-by-class', class: name }).catch(() => [])
      if (Array.isArray(rules) && rules.includes(rule)) return true
    }
    return undefined
  } catch {
    return undefined
  }
}

export async function factsOf(native: NativeSession, place: Place): Promise<Facts> {
  const [size, object, features = '0', imageId = ''] = await native.call('stat')
  const has = (bit: bigint): boolean => (BigInt(features) & bit) !== 0n
  const [granularity] = await native.call('getConf', 'rbd_discard_granularity_bytes').catch(() => [])
  return {
    sizeBytes: Number(size), objectBytes: Number(object), imageId, exclusiveLock: has(feature.EXCLUSIVE_LOCK), fastDiff: has(feature.FAST_DIFF),
    discardGranularity: Number(granularity) || Number(object), solidState: await solidState(native, place.pool),
  }
}
