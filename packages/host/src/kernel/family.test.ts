import { NetlinkPeer } from '../testing'
import { TcmuFamily } from './family'
import { Ctrl, type KernelEvent, TcmCmd } from './netlink'

function listener() {
  const seen: KernelEvent[] = []
  const told: string[] = []
  return { seen, told, event: (e: KernelEvent) => void seen.push(e), overrun: () => void told.push('overrun'), failed: (e: Error) => void told.push(e.message) }
}

test('finds the family, joins its group, asks to be waited for', async () => {
  const peer = new NetlinkPeer()
  const family = await TcmuFamily.open(peer, listener())
  expect(peer.joined).toEqual([9])
  expect(await family.setFeatures(true)).toBe(true)
  expect(peer.features).toBe(1)
})

test('a kernel without the family', async () => {
  const peer = new NetlinkPeer()
  peer.known = false
  await expect(TcmuFamily.open(peer, listener())).rejects.toThrow('E_NETLINK: netlink: there is no family TCM-USER: E_NETLINK: netlink: the kernel refused a request: ENOENT')
  expect(peer.closed).toBe(true)
})

test('an old kernel that does not wait, and one that refuses for another reason', async () => {
  const peer = new NetlinkPeer()
  const family = await TcmuFamily.open(peer, listener())
  peer.refuse.set(TcmCmd.SET_FEATURES, 95)
  expect(await family.setFeatures(true)).toBe(false)
  peer.refuse.set(TcmCmd.SET_FEATURES, 1)
  await expect(family.setFeatures(true)).rejects.toThrow(/EPERM/)
  expect(Ctrl.GETFAMILY).toBe(3)
})

test('events, overruns and the end of the socket are told; garbage is not', async () => {
  const peer = new NetlinkPeer()
  const l = listener()
  const family = await TcmuFamily.open(peer, l)
  const answer = peer.event('removed', 'tcm-user/0/d/ram', 4)
  peer.raw(new Uint8Array(50).fill(0xff))
  peer.overrun()
  peer.fail(new Error('gone'))
  expect(l.seen).toEqual([{ kind: 'removed', name: 'tcm-user/0/d/ram', minor: 4, deviceId: 104 }])
  expect(l.told).toEqual(['overrun', 'gone'])
  await family.done(l.seen[0]!, -5)
  expect(await answer).toBe(-5)
})

test('what waits for an answer hears when the socket is closed', async () => {
  const peer = new NetlinkPeer()
  const family = await TcmuFamily.open(peer, listener())
  const asked = family.setFeatures(true)
  family.close()
  await expect(asked).rejects.toThrow(/the socket was closed/)
})
