/** Milliseconds from a number of them, or from `10ms`, `2s`, `1.5s`. */
export function milliseconds(value: number | string | undefined): number {
  if (value === undefined) return 0
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(String(value))
  if (!match) throw new Error(`${JSON.stringify(value)} is no duration; write 10ms or 2s`)
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1)
}
/** In a schema. */
export const duration = { type: ['string', 'number'], pattern: '^\\d+(\\.\\d+)?(ms|s)?$', minimum: 0, description: 'A duration: 10ms, 2s.' } as const
