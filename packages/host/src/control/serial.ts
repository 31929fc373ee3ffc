import { createHash } from 'node:crypto'

/** Name space of serial numbers made from names (RFC 9562 5.5), drawn once for this project. */
const NAMESPACE = Buffer.from('5b1f0c5e7d0e4f0a9c52a6c1d4e8f3b7', 'hex')
const VERSION_5 = 0x50
const VARIANT = 0x80

/** A UUID that stays the same as long as the target and the LUN are called the same (RFC 9562 5.5, version 5). */
export function serialOf(targetName: string, lunName: string): string {
  const digest = createHash('sha1').update(NAMESPACE).update(`${targetName}\n${lunName}`).digest().subarray(0, 16)
  digest[6] = (digest[6] & 0x0f) | VERSION_5
  digest[8] = (digest[8] & 0x3f) | VARIANT
  const hex = digest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
