import fc from 'fast-check'
import type { Task } from '../scsi'
import { FakeKernel } from '../testing/fake-kernel'
import { BusyPoll, RingTurns } from './busy-poll'
import { Pump } from './pump'

/** A clock that each look moves on by `step` milliseconds. */
const clock = (step = 0.001): { now: () => number; at: number } => {
  const c = { at: 1, now: () => (c.at += step) }
  return c
}
const never = (): boolean => false

/** Let the peer come back `times` times, `ms` after the ring fell idle. */
function peer(poll: BusyPoll, c: { at: number }, times: number, ms: number): void {
  for (let i = 0; i < times; i++) {
    poll.await(never)
    c.at += ms
    poll.woken()
    poll.begin()
  }
}

test('nobody waits for a peer that is not known to be quick', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  let looks = 0
  peer(poll, c, 2, 0.004)
  expect(poll.await(() => ++looks > 0)).toBe(false)
  expect(looks).toBe(0)
})

test('what takes longer than twice the bound is not short', () => {
  const c = clock(0)
  const poll = new BusyPoll(50, undefined, c.now)
  const began = c.at
  c.at += 0.09
  expect(poll.isShort(began)).toBe(true)
  c.at += 0.02
  expect(poll.isShort(began)).toBe(false)
})

test('a peer that was quick three times is waited for, and found', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  peer(poll, c, 3, 0.004)
  let looks = 0
  expect(poll.await(() => ++looks === 20)).toBe(true)
  expect(poll.await(() => true)).toBe(true)
})

test('the first one that does not come disarms it', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  peer(poll, c, 3, 0.004)
  const before = c.at
  expect(poll.await(never)).toBe(false)
  expect(c.at - before).toBeLessThan(0.02)
  expect(poll.await(() => true)).toBe(false)
})

test('each wait in vain doubles what it takes to arm it again, each success halves that', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  const armedAfter = (): number => {
    for (let n = 1; n < 100; n++) {
      peer(poll, c, 1, 0.004)
      if (poll['quick'] === poll['needed']) return n
    }
    return NaN
  }
  expect(armedAfter()).toBe(3)
  poll.await(never)
  poll.woken()
  expect(armedAfter()).toBeGreaterThanOrEqual(5)
  poll.await(never)
  poll.woken()
  expect(armedAfter()).toBeGreaterThanOrEqual(11)
  for (const left of [6, 3, 3]) {
    expect(poll.await(() => true)).toBe(true)
    expect(poll['needed']).toBe(left)
  }
})

test('a slow peer never arms it', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  peer(poll, c, 100, 0.05)
  expect(poll.await(() => true)).toBe(false)
})

test('others have their turn after a tenth of a millisecond, and it stays armed', () => {
  const c = clock()
  const poll = new BusyPoll(10, undefined, c.now)
  peer(poll, c, 3, 0.004)
  const before = c.at
  let turns = 0
  while (poll.await(() => true)) turns++
  expect(turns).toBeGreaterThan(10)
  expect(c.at - before).toBeLessThan(0.2)
  poll.woken()
  poll.begin()
  expect(poll.await(() => true)).toBe(true)
})

test('what others cut short goes on after their turn, and is no longer for that', () => {
  const c = clock()
  const poll = new BusyPoll(250, undefined, c.now)
  peer(poll, c, 3, 0.004)
  const before = c.at
  for (const waited of [0.1, 0.2]) {
    expect(poll.await(never)).toBe(false)
    expect(poll.interrupted).toBe(true)
    expect(c.at - before).toBeCloseTo(waited, 1)
    poll.begin()
  }
  expect(poll.await(never)).toBe(false)
  expect(poll.interrupted).toBe(false)
  expect(c.at - before).toBeCloseTo(0.25, 1)
  expect(poll.await(() => true)).toBe(false)
})

test('a ring is not waited for while another of the thread is at work', () => {
  const c = clock()
  const turns = new RingTurns()
  const [a, b] = [new BusyPoll(10, turns, c.now), new BusyPoll(10, turns, c.now)]
  for (const poll of [a, b]) {
    peer(poll, c, 3, 0.004)
    expect(poll.await(() => true)).toBe(true)
  }
  expect(a.await(() => true)).toBe(false)
  expect(b.await(() => true)).toBe(false)
  c.at += 2
  b.begin()
  b.served()
  expect(b.await(() => true)).toBe(true)
  expect(b.await(() => true)).toBe(true)
})

test('0 turns it off', () => {
  expect(new BusyPoll(0).enabled).toBe(false)
})

test('it never waits longer than its bound, whatever the clock and the peer do', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(fc.record({ gap: fc.double({ min: 0, max: 2, noNaN: true }), come: fc.boolean() }), { maxLength: 60 }), (micros, steps) => {
    const c = clock()
    const poll = new BusyPoll(micros, undefined, c.now)
    for (const { gap, come } of steps) {
      const before = c.at
      poll.await(() => come)
      expect(c.at - before).toBeLessThanOrEqual(Math.min(micros, 100) / 1000 + 0.004)
      c.at += gap
      poll.woken()
      poll.begin()
    }
  }))
})

/** Commands that a pump takes in each turn of the event loop, when its peer posts the next one as soon as one is answered. */
async function taken(pollMicros: number, answer: (task: Task) => void = (task) => task.finish()): Promise<number[]> {
  const kernel = new FakeKernel({ ringBytes: 65536 })
  const turns: number[] = [0]
  const unit = { name: 'stub', abort: () => Promise.resolve(0), join: () => undefined, leave: () => undefined, execute: answer }
  const kick = kernel.kick.bind(kernel)
  kernel.kick = () => {
    kick()
    turns[turns.length - 1]! += kernel.reap().length
    if (turns.length < 40) kernel.queue(new Uint8Array(6))
  }
  new Pump(kernel, unit, { pollMicros })
  kernel.queue(new Uint8Array(6))
  while (turns.length < 45) {
    await new Promise((resolve) => setImmediate(resolve))
    turns.push(0)
  }
  kernel.assertIdle()
  return turns
}

test('a pump takes what a quick peer posts without being woken for each', async () => {
  expect(Math.max(...await taken(1000))).toBeGreaterThan(2)
  expect(Math.max(...await taken(0))).toBeLessThanOrEqual(2)
})

test('nor is it for answers that come by a promise, and others have their turn all the same', async () => {
  const late = (task: Task): void => void Promise.resolve().then(() => task.finish())
  expect(Math.max(...await taken(1000, late))).toBeGreaterThan(2)
  expect(Math.max(...await taken(0, late))).toBeLessThanOrEqual(2)
})
