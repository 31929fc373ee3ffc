// Charts as SVG text: lines over a logarithmic axis. A charting library is some hundred times this, for one kind of chart.

const WIDTH = 640
const HEIGHT = 360
const LEFT = 64
const RIGHT = 150
const TOP = 36
const BOTTOM = 44
/** Told apart with any colour vision (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c])
const units = [[1e6, 'M'], [1e3, 'k']]
export const short = (n) => {
  const [size, letter] = units.find(([size]) => n >= size) ?? [1, '']
  return `${Number((n / size).toPrecision(3))}${letter}`
}
const text = (x, y, words, more = '') => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escape(words)}</text>`

/** Some round numbers from 0 to `most`. */
function ticks(most) {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((n) => n * power >= rough) ?? 10)
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step)
}

/** `series`: { name, points: [[x, y], ...] }; `marks` are the values of x that are written, which run in equal ratios. */
export function chart({ title, xLabel, yLabel, marks, series }) {
  const most = Math.max(...series.flatMap((s) => s.points.map(([, y]) => y))) * 1.05 || 1
  const [low, high] = [Math.log(marks[0]), Math.log(marks.at(-1))]
  const x = (value) => LEFT + (Math.log(Math.min(Math.max(value, marks[0]), marks.at(-1))) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
  const y = (value) => HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)
  const grid = ticks(most).map((n) => `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(n).toFixed(1)}" y2="${y(n).toFixed(1)}" stroke="#ddd"/>${text(LEFT - 6, y(n) + 4, short(n), 'text-anchor="end"')}`)
  const below = marks.map((n) => text(x(n), HEIGHT - BOTTOM + 18, short(n), 'text-anchor="middle"'))
  const lines = series.map(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length]
    const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ')
    const at = TOP + 8 + i * 20
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${i >= 4 ? ' stroke-dasharray="5 3"' : ''}/>`
      + `<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 34}" y1="${at}" y2="${at}" stroke="${colour}" stroke-width="3"/>${text(WIDTH - RIGHT + 40, at + 4, name)}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="${escape(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`, text(LEFT, 20, title, 'font-size="14" font-weight="bold"'), ...grid, ...below,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, xLabel, 'text-anchor="middle"'),
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(yLabel)}</text>`, ...lines, '</svg>\n',
  ].join('\n')
}
