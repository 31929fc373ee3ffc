import { Sequence, type Step } from './sequence'

const bench = (failing: Readonly<Record<string, 'start' | 'stop'>> = {}): { seen: string[]; complaints: string[]; sequence: Sequence } => {
  const seen: string[] = []
  const complaints: string[] = []
  const step = (name: string): Step => ({
    name,
    start: async () => {
      seen.push(`+${name}`)
      if (failing[name] === 'start') throw new Error(`${name} fails`)
    },
    stop: async () => {
      seen.push(`-${name}`)
      if (failing[name] === 'stop') throw new Error(`${name} holds on`)
    },
  })
  return { seen, complaints, sequence: new Sequence(['a', 'b', 'c'].map(step), (e) => complaints.push(e.message)) }
}

test('parts start in order and stop the other way round, once', async () => {
  const { seen, sequence } = bench()
  await sequence.start()
  await sequence.start()
  await Promise.all([sequence.stop(10), sequence.stop(10)])
  expect(seen).toEqual(['+a', '+b', '+c', '-c', '-b', '-a'])
})

test('when one does not start, it and those before it are stopped', async () => {
  const { seen, sequence } = bench({ b: 'start' })
  await expect(sequence.start()).rejects.toThrow('b fails')
  expect(seen).toEqual(['+a', '+b', '-b', '-a'])
  await sequence.stop(10)
  expect(seen).toHaveLength(4)
})

test('one that does not stop is told and holds up no other', async () => {
  const { seen, complaints, sequence } = bench({ b: 'stop' })
  await sequence.start()
  await sequence.stop(10)
  expect(seen.slice(3)).toEqual(['-c', '-b', '-a'])
  expect(complaints).toEqual(['E_STOP: stopping: b: b holds on'])
})

test('stopping while a part starts waits for it, but not for ever', async () => {
  const seen: string[] = []
  let release = (): void => undefined
  const slow: Step = { name: 'slow', start: () => new Promise((resolve) => (release = resolve)), stop: () => void seen.push('-slow') }
  const after: Step = { name: 'after', start: () => void seen.push('+after') }
  const sequence = new Sequence([slow, after], () => undefined)
  void sequence.start()
  await sequence.stop(20)
  expect(seen).toEqual(['-slow'])
  release()
  await sequence.start()
  expect(seen).toEqual(['-slow'])
})
