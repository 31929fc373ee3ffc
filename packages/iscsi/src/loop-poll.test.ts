import fc from 'fast-check'
import { LoopPoll } from './loop-poll'

const clock = (): { at: number; now: () => number } => {
  const c = { at: 1, now: () => c.at }
  return c
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function exchange(poll: LoopPoll, c: { at: number }, times: number, ms: number): void {
  for (let i = 0; i < times; i++) {
    poll.sent()
    c.at += ms
    poll.heard()
  }
}

test('the loop is kept awake for peers that were quick three times, until they are slow', async () => {
  const c = clock()
  const poll = new LoopPoll(50, c.now)
  exchange(poll, c, 3, 0.03)
  expect(poll['looking']).toBe(false)
  poll.sent()
  for (let i = 0; i < 5; i++) await turn()
  expect(poll['looking']).toBe(true)
  c.at += 0.06
  await turn()
  await turn()
  expect(poll['looking']).toBe(false)
  poll.heard()
  exchange(poll, c, 4, 0.03)
  poll.sent()
  expect(poll['looking']).toBe(false)
  poll.heard()
  poll.sent()
  expect(poll['looking']).toBe(true)
  c.at += 1
  await turn()
  await turn()
})

test('a success makes it easier again; slow peers never arm it; 0 turns it off', async () => {
  const c = clock()
  const poll = new LoopPoll(50, c.now)
  poll['needed'] = 12
  exchange(poll, c, 12, 0.03)
  for (const left of [6, 3, 3]) {
    poll.sent()
    await turn()
    c.at += 0.01
    poll.heard()
    expect(poll['needed']).toBe(left)
  }
  await turn()
  expect(poll['looking']).toBe(false)
  const slow = new LoopPoll(50, c.now)
  exchange(slow, c, 50, 0.2)
  slow.sent()
  expect(slow['looking']).toBe(false)
  const off = new LoopPoll(0, c.now)
  exchange(off, c, 50, 0)
  expect(off['sentAt']).toBe(0)
  c.at += 1
  await turn()
  await turn()
})

test('whatever peers do, it does not look for longer than its bound', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.double({ min: 0.001, max: 0.3, noNaN: true }), { maxLength: 30 }), async (gaps) => {
    const c = clock()
    const poll = new LoopPoll(50, c.now)
    for (const gap of gaps) {
      poll.sent()
      c.at += gap
      await turn()
      await turn()
      if (gap >= 0.05) expect(poll['looking']).toBe(false)
      poll.heard()
    }
    poll.sent()
    c.at += 1
    await turn()
    await turn()
    expect(poll['looking']).toBe(false)
  }), { numRuns: 40 })
})
