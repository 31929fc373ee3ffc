import { type FilterConformance, filterSubjects } from './filter'
import { handlerPromises } from './promises'
import type { HandlerPromise } from './promise'
import { type Conformance, Subject } from './subject'

export { type FilterConformance, filterSubjects } from './filter'
export type { HandlerPromise } from './promise'
export type { Conformance } from './subject'
export { handlerPromises } from './promises'

/** What jest, vitest and node:test have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown
  test: ((name: string, body: () => Promise<void>) => unknown) & { readonly skip: (name: string, body: () => Promise<void>) => unknown }
}

export interface ConformanceResult {
  readonly promise: string
  readonly outcome: 'kept' | 'broken' | 'does not apply'
  /** What broke it, or why it does not apply. */
  readonly reason?: string
  readonly ms: number
}

async function check(promise: HandlerPromise, conformance: Conformance): Promise<void> {
  const subject = await Subject.of(conformance)
  try {
    await promise.check(subject)
  } finally {
    await subject.end()
  }
}

/** Check the promises one after the other; yields as each is known. Never throws for what the handler does. */
export async function* checkConformance(conformance: Conformance, promises = handlerPromises): AsyncGenerator<ConformanceResult> {
  for (const promise of promises) {
    const applies = promise.applies(conformance)
    if (applies !== true) {
      yield { promise: promise.name, outcome: 'does not apply', reason: applies, ms: 0 }
      continue
    }
    const began = performance.now()
    const ms = (): number => Math.round(performance.now() - began)
    try {
      await check(promise, conformance)
      yield { promise: promise.name, outcome: 'kept', ms: ms() }
    } catch (e) {
      yield { promise: promise.name, outcome: 'broken', reason: e instanceof Error ? e.message : String(e), ms: ms() }
    }
  }
}

function globals(): TestRunner {
  const { describe, test } = globalThis as unknown as Partial<TestRunner>
  if (typeof describe === 'function' && typeof test === 'function') return { describe, test }
  throw new Error('handlerConformance found no `describe` and `test`: import them from node:test or vitest and pass them as `handlerConformance(options, { describe, test })`')
}

/**
 * Declare one test for each promise that a handler makes to the host (DESIGN §12). Under jest nothing else is needed;
 * under node:test and vitest pass their `describe` and `test`. Promises that do not apply are skipped, with the reason.
 */
export function handlerConformance(conformance: Conformance, runner: TestRunner = globals()): void {
  runner.describe(`handler ${conformance.handler.subtype}`, () => {
    for (const promise of handlerPromises) {
      const applies = promise.applies(conformance)
      if (applies === true) runner.test(promise.name, () => check(promise, conformance))
      else runner.test.skip(`${promise.name} (${applies})`, () => Promise.resolve())
    }
  })
}

/**
 * The same for a filter that lets data through: the promises of a handler, before a disk in memory that can do much, before one that
 * can only read and write, and between two other filters. Under node:test and vitest pass their `describe` and `test`.
 */
export function filterConformance(conformance: FilterConformance, runner: TestRunner = globals()): void {
  const places = ['before a disk that can do much', 'before a disk that can read and write', 'between two others']
  for (const [i, subject] of filterSubjects(conformance).entries()) {
    runner.describe(`filter ${conformance.filter.name} ${places[i]}`, () => handlerConformance(subject, runner))
  }
}
