// Files that wait for real initiators start first: they are the longest and mostly idle.
const Sequencer = require('@jest/test-sequencer').default

const long = ['test-tool', 'load', 'two-initiators', 'qemu-roundtrip']
const rank = ({ path }) => {
  if (!path.includes('/test/iscsi/')) return long.length + 1
  const at = long.findIndex((name) => path.endsWith(`/${name}.test.ts`))
  return at < 0 ? long.length : at
}

module.exports = class LongestFirst extends Sequencer {
  async sort(tests) {
    const usual = await super.sort(tests)
    return usual.map((test, i) => [test, i]).sort(([a, i], [b, j]) => rank(a) - rank(b) || i - j).map(([test]) => test)
  }
}
