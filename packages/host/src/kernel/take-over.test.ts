import { KernelTree, LogLines, type TreeDevice } from '../testing'
import { whenFree } from './node'
import { takeOver } from './take-over'

const disk: TreeDevice = { minor: 3, device: 'disk', cfgstring: 'ram/' }
const at = { hba: 0, ...disk }
const coded = (code: string): Error => Object.assign(new Error(code), { code })
const tree = new KernelTree()
afterAll(() => tree.close())
afterEach(() => jest.restoreAllMocks())

describe('a node that another process still has', () => {
  const opening = (...errors: readonly Error[]) => {
    const left = [...errors]
    return jest.fn((path: string) => {
      const e = left.shift()
      if (e) throw e
      return path
    })
  }
  test('is waited for, as is one that is late', async () => {
    const open = opening(coded('ENOENT'), coded('EBUSY'), coded('EBUSY'))
    expect(await whenFree(tree.roots, 3, open)).toBe(`${tree.roots.dev}/uio3`)
    expect(open).toHaveBeenCalledTimes(4)
  })
  test('but not for ever', async () => {
    jest.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValueOnce(9999).mockReturnValue(10_000)
    await expect(whenFree(tree.roots, 3, opening(coded('EBUSY'), coded('EBUSY')))).rejects.toThrow(/^E_UIO_BUSY: .*uio3: another process has it open.*10 s.*fuser/)
    await expect(whenFree(tree.roots, 3, opening(coded('EACCES')))).rejects.toThrow('EACCES')
  })
})

describe('taking over', () => {
  const closed: string[] = []
  const node = { close: () => void closed.push('closed') }
  const look = (): string[] => ['action/block_dev', 'action/reset_ring'].map((f) => tree.read(disk, f))
  beforeEach(() => {
    closed.length = 0
    tree.add(disk)
  })
  const parts = { roots: tree.roots, log: new LogLines(), resetRing: 'fail' } as const

  test('resets the ring only when the node is had', async () => {
    const seen: string[][] = []
    const served = await takeOver(at, parts, true, async () => (seen.push(look()), node), async () => (seen.push(look()), 'served'))
    expect([served, seen, look(), closed]).toEqual(['served', [['1', ''], ['1', '2']], ['0', '2'], []])
  })
  test('lets go of the device and the node when that fails', async () => {
    await expect(takeOver(at, parts, true, async () => node, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect([look(), closed]).toEqual([['0', '2'], ['closed']])
    tree.set(disk, 'action/reset_ring', '')
    await expect(takeOver(at, parts, true, () => Promise.reject(coded('EBUSY')), async () => 1)).rejects.toThrow('EBUSY')
    expect(look()).toEqual(['0', ''])
  })
  test('leaves a new device alone', async () => {
    expect(await takeOver(at, parts, false, async () => node, async () => 1)).toBe(1)
    expect(look()).toEqual(['unblocked', ''])
  })
})
