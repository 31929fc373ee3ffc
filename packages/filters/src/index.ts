import type { Filter } from '@tcmu/host/filter'
import cache from './cache'
import cow from './cow'
import delay from './delay'
import encrypt from './encrypt'
import error from './error'
import log from './log'
import offset from './offset'
import rate from './rate'
import readonly from './readonly'
import retry from './retry'
import stats from './stats'

/** Filters that come with the host, by name. */
const filters: readonly Filter[] = [cache, cow, delay, encrypt, error, log, offset, rate, readonly, retry, stats]
export default filters
export { cache, cow, delay, encrypt, error, log, offset, rate, readonly, retry, stats }
