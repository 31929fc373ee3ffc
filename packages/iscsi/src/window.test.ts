import fc from 'fast-check'
import { CommandOrder } from './order'
import { before, CommandWindow, next, Place } from './window'

test('serial numbers wrap', () => {
  expect([before(0xffffffff, 0), before(0, 0xffffffff), before(5, 5), before(4, 5), next(0xffffffff)]).toEqual([true, false, false, true, 0])
})

test('a window of four, across the wrap', () => {
  const w = new CommandWindow(0xfffffffe, 4)
  expect(w.maximum).toBe(1)
  expect([0xfffffffd, 0xfffffffe, 0xffffffff, 0, 1, 2].map((n) => w.place(n))).toEqual(
    [Place.OUTSIDE, Place.NEXT, Place.AHEAD, Place.AHEAD, Place.AHEAD, Place.OUTSIDE])
})

test('commands under way keep the window shut; as they end it opens, and it never moves back', () => {
  const w = new CommandWindow(10, 3)
  const seen = [w.maximum]
  for (let i = 0; i < 3; i++) {
    expect(w.place(10 + i)).toBe(Place.NEXT)
    w.enter()
    w.advance()
    seen.push(w.maximum)
  }
  expect(w.place(13)).toBe(Place.OUTSIDE)
  w.leave()
  seen.push(w.maximum)
  expect(w.place(13)).toBe(Place.NEXT)
  expect(seen).toEqual([12, 12, 12, 12, 13])
})

test('whatever the order in which requests come, they are done in the order of CmdSN, each once', () => {
  const arrivals = fc.nat(0xffffffff).chain((first) => fc.tuple(fc.constant(first), fc.shuffledSubarray(Array.from({ length: 8 }, (_, i) => i), { minLength: 8 })))
  fc.assert(fc.property(arrivals, ([first, shuffled]) => {
    const order = new CommandOrder(new CommandWindow(first, 8))
    const done: number[] = []
    for (const i of [...shuffled, ...shuffled]) order.run((first + i) >>> 0, false, () => done.push(i))
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    order.run((first + 8 + 8) >>> 0, false, () => done.push(99))
    order.run((first - 1) >>> 0, false, () => done.push(99))
    expect(done).toHaveLength(8)
    order.run(0, true, () => done.push(-1))
    expect(done[8]).toBe(-1)
  }))
})
