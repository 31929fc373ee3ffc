import { withProgress } from './progress'

const out = (isTTY: boolean): { isTTY: boolean; text: string; write: (s: string) => boolean } => {
  const self = { isTTY, text: '', write: (s: string) => Boolean((self.text += s)) }
  return self
}

test.each([
  [true, '\r\x1b[Kwork ... 1 s\r\x1b[Kwork ... 2 s\r\x1b[K'], [false, ''],
])('on a terminal (%s) it counts, elsewhere it is quiet for ten seconds', async (isTTY, text) => {
  jest.useFakeTimers()
  const to = out(isTTY)
  let end = (): void => undefined
  const done = withProgress('work', () => new Promise<number>((resolve) => (end = () => resolve(7))), to as never)
  await jest.advanceTimersByTimeAsync(2500)
  end()
  expect(await done).toBe(7)
  expect(to.text).toBe(text)
  jest.useRealTimers()
})

test('elsewhere it says so once in ten seconds', async () => {
  jest.useFakeTimers()
  const to = out(false)
  let end = (): void => undefined
  const done = withProgress('work', () => new Promise<void>((_, reject) => (end = () => reject(new Error('no')))), to as never).catch((e: Error) => e.message)
  await jest.advanceTimersByTimeAsync(25_000)
  end()
  expect([await done, to.text]).toEqual(['no', 'work ... 10 s\nwork ... 20 s\n'])
  jest.useRealTimers()
})
