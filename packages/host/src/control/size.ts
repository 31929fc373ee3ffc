import { quote, tcmuError } from '../errors'

const units: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40, P: 2 ** 50 }

/**
 * Bytes from `512`, `64M`, `1G`, `2TiB`: whole numbers, powers of 1024. A number is taken as bytes. Throws E_SIZE.
 */
export function parseSize(text: string | number): number {
  const wrong = (reason: string): Error => tcmuError('E_SIZE', { text: quote(text), reason })
  if (typeof text === 'number') {
    if (!Number.isSafeInteger(text) || text < 0) throw wrong('not a whole number of bytes below 2^53')
    return text
  }
  const match = /^(\d{1,16})(?:([KMGTP])(?:iB)?)?$/i.exec(text)
  if (!match) throw wrong(/^\d+[KMGTP]B$/i.test(text) ? 'KB, MB and so on mean two things; write M or MiB' : 'wanted digits and one of K, M, G, T, P')
  const bytes = Number(match[1]) * units[(match[2] ?? '').toUpperCase()]
  if (!Number.isSafeInteger(bytes)) throw wrong('it is 2^53 bytes or more')
  return bytes
}

/** Bytes for people: the largest unit that divides them. */
export function formatSize(bytes: number): string {
  const unit = Object.entries(units).reverse().find(([, n]) => bytes >= n && bytes % n === 0)
  return unit ? `${bytes / unit[1]}${unit[0]}${unit[0] && 'iB'}` : String(bytes)
}
