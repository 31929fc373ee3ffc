// Figures of rounds to the ones that are shown.

export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

/** Median and range. */
export const spread = (list) => ({ median: median(list), least: Math.min(...list), most: Math.max(...list) })

/** Of two lists of the same rounds: the ratios round by round, and that of the best on each side, which others disturbed least. */
export function compare(ours, theirs, best) {
  return { ...spread(ours.map((n, i) => n / theirs[i])), best: best(...ours) / best(...theirs) }
}

/** Histograms, [value, count] each, as one. */
export function merge(histograms) {
  const sum = new Map()
  for (const [value, count] of histograms.flat()) sum.set(value, (sum.get(value) ?? 0) + count)
  return [...sum].sort((a, b) => a[0] - b[0])
}

/** The value below which `share` of what was counted lies. */
export function quantile(histogram, share) {
  let left = share * histogram.reduce((n, [, count]) => n + count, 0)
  return (histogram.find(([, count]) => (left -= count) <= 0) ?? histogram.at(-1))[0]
}

/** The order of a round: somebody else comes first each time. */
export function turn(list, round) {
  const at = round % list.length
  const turned = [...list.slice(at), ...list.slice(0, at)]
  return Math.floor(round / list.length) % 2 ? turned.reverse() : turned
}
