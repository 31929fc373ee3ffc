import fc from 'fast-check'
import { descriptorSense, fixedSense, sam, Status, statusRow, statusTable } from '../scsi'
import { CrashBudget } from './crash-budget'
import { parsePlacement, placementOf } from './placement'
import { statusOfAnswer } from './sense'

describe('placement', () => {
  test.each([['bundled', 'inline'], ['root', 'process'], ['path', 'process']] as const)('of a %s handler is %s', (origin, placement) => {
    expect(placementOf('x', origin)).toBe(placement)
  })
  test('is what the operator says', () => {
    expect(placementOf('x', 'bundled', { x: 'worker' })).toBe('worker')
    expect(placementOf('x', 'bundled', {}, ['librbd.so.1'])).toBe('process')
    expect(placementOf('x', 'bundled', { x: 'inline' }, ['librbd.so.1'])).toBe('inline')
    expect(placementOf('x', 'program', {}, ['librbd.so.1'])).toBe('inline')
    expect(placementOf('toString', 'bundled', {})).toBe('inline')
  })
  test.each(['', 'x', 'x=', '=inline', 'x=thread', 'x=inline=worker'])('%j is refused', (text) => {
    expect(() => parsePlacement(text)).toThrow(/E_PLACEMENT: .*inline, worker, process/)
  })
  test('any text is a pair or E_PLACEMENT', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      try {
        expect(parsePlacement(text)).toHaveLength(2)
      } catch (e) {
        expect((e as { code: string }).code).toBe('E_PLACEMENT')
      }
    }))
  })
})

describe('crash budget', () => {
  test('pauses double, and end', () => {
    let now = 0
    const budget = new CrashBudget({ most: 4, windowMs: 1000, firstMs: 10, longestMs: 35, now: () => now })
    expect([budget.spend(), budget.spend(), budget.spend(), budget.spend(), budget.spend()]).toEqual([10, 20, 35, 35, undefined])
    now = 5000
    expect([budget.spent, budget.spend()]).toEqual([0, 10])
  })
})

describe('a status after its way over a ring', () => {
  const sent = statusTable.filter((r) => r.sense !== 'task' && r.name !== 'NOT_HANDLED')
  test.each(sent.map((r) => [r.name, r] as const))('%s means the same', (_name, row) => {
    const detail = typeof row.sense === 'object' ? [row.sense.key, row.sense.code] as const : undefined
    for (const bytes of [detail ? fixedSense(...detail) : new Uint8Array(96), detail ? descriptorSense(...detail) : new Uint8Array(96)]) {
      const back = statusRow(statusOfAnswer(row.sam, bytes)!)
      expect([back.sam, back.sense]).toEqual([row.sam, row.sense])
    }
  })
  test('sense data that none of ours has is nothing', () => {
    expect(statusOfAnswer(sam.CHECK_CONDITION, new Uint8Array(96))).toBeUndefined()
    expect(statusOfAnswer(0x55, new Uint8Array(96))).toBeUndefined()
    expect(statusOfAnswer(sam.GOOD, new Uint8Array(96))).toBe(Status.OK)
  })
})
