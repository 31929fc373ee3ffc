import type { HandlerPromise } from '../promise'
import { advertisesTruly, comparesAndWrites, flushes, repeatsBlocks, tellsExtents, tellsSpace, unmaps } from './abilities'
import { answersAnything, introducesItself } from './commands'
import { ends, leavesDataAlone, overlaps, readsBack, survives } from './data'
import { letsGo, passesFailuresOn } from './faults'
import { apart, closesWhenIdle, opensAndCloses, refusesBadConfigs, resizes, sharesTheLoop } from './lifecycle'
import { locks } from './lock'

/** In the order of a report: what everything else needs comes first. */
export const handlerPromises: readonly HandlerPromise[] = [
  refusesBadConfigs, opensAndCloses, introducesItself, readsBack, ends, overlaps, survives, leavesDataAlone, advertisesTruly,
  flushes, unmaps, repeatsBlocks, comparesAndWrites, tellsExtents, tellsSpace, locks, resizes, passesFailuresOn, letsGo, closesWhenIdle, apart,
  answersAnything, sharesTheLoop,
]
