const seconds: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000 }
const binary: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Milliseconds of `10`, `10ms`, `1.5s`, as the schemas take them; 0 of nothing. */
export function milliseconds(text = '0'): number {
  const [, n, unit = ''] = /^([\d.]+)(ms|s)?$/.exec(text)!
  return Number(n) * seconds[unit]!
}

/** Bytes of `512`, `64M`, `1GiB`, as the schemas take them; `otherwise` of nothing. */
export function bytesOf(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const [, n, unit = ''] = /^(\d+)([KMGT])?(?:iB)?$/.exec(text)!
  return Number(n) * binary[unit]!
}
