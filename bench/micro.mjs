// The cases of test/bench: one part of the host at a time, each in a process of its own.
import { execFileSync } from 'node:child_process'
import { inRoot } from '../scripts/lib.mjs'

const cases = {
  'ring-null': { flags: ['--expose-gc', '--max-semi-space-size=128'] },
  'filter-chain': { flags: ['--expose-gc', '--max-semi-space-size=128'] },
}

/** Rows of { name, ns, best }. */
export function microBench({ said = () => undefined } = {}) {
  return Object.entries(cases).flatMap(([name, { flags }]) => {
    const out = execFileSync(process.execPath, [...flags, inRoot('test/bench', `${name}.mjs`), '--json'], { encoding: 'utf8' })
    said(name)
    return JSON.parse(out).rows.map((row) => ({ ...row, case: name }))
  })
}

/** Rows of test/bench/io-engine.mjs: lines by operation and depth, with what each way of doing I/O reached. */
export function ioBench({ seconds = 0.5, rounds = 5 } = {}) {
  return JSON.parse(execFileSync(process.execPath, [inRoot('test/bench/io-engine.mjs'), '--json', '--size', '256', '--seconds', String(seconds), '--rounds', String(rounds)], { encoding: 'utf8', maxBuffer: 2 ** 24 }))
}
