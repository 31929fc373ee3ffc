// What the test run can hold the host to on any machine that others use: ratios of laps in turns, the best of each, and another try.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { inRoot } from '../scripts/lib.mjs'
import { machine } from './machine.mjs'

const TRIES = 5
const MAX_REGRESSION = 1.15
const file = inRoot('bench/results/reference/quick.json')

const nullRatio = () => JSON.parse(execFileSync(process.execPath, ['--max-semi-space-size=128', inRoot('test/bench/null-ratio.mjs')], { encoding: 'utf8' })).ratio
const comparable = ({ model, arch, node }) => `${model}, ${arch}, Node ${node.split('.')[0]}`

/** Why there is nothing to compare with, or undefined: the ratio moves with the kind of processor and the compiler in Node. */
export function lack() {
  if (!existsSync(file)) return 'needs a reference: npm run bench -- --quick --reference'
  const taken = JSON.parse(readFileSync(file, 'utf8'))
  return taken.on === comparable(machine()) ? undefined : `needs the machine of its reference (${taken.on}): npm run bench -- --quick --reference takes one here`
}

/** The ratio of the null handler to a bare loop, tried again while it is beyond the limit: { ratio, limit }. */
export function quickBench() {
  const limit = JSON.parse(readFileSync(file, 'utf8')).nullToBare * MAX_REGRESSION
  let ratio = Infinity
  for (let i = 0; i < TRIES && ratio > limit; i++) ratio = Math.min(ratio, nullRatio())
  return { ratio, limit }
}

export function takeReference() {
  const ratios = Array.from({ length: TRIES }, nullRatio).sort((a, b) => a - b)
  mkdirSync(inRoot('bench/results/reference'), { recursive: true })
  // The middle one: that of a run as good as the best of several later on.
  writeFileSync(file, `${JSON.stringify({ on: comparable(machine()), nullToBare: Number(ratios[TRIES >> 1].toFixed(3)), tries: ratios.map((n) => Number(n.toFixed(3))) })}\n`)
  return ratios
}
