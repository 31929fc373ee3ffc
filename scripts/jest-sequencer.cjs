// Files that take longest start first, so that no worker is left with one alone at the end. In a fresh clone jest knows no durations.
const Sequencer = require('@jest/test-sequencer').default

const longest = [
  'kernel/robust', 'kernel/device-host', 'kernel/rbd', 'kernel/glfs', 'kernel/test-tool', 'kernel/zoned', 'kernel/targetcli', 'kernel/open-iscsi', 'kernel/configfs', 'kernel/sg3',
  'backends/glfs-test-tool', 'backends/rbd-test-tool', 'backends/rbd-outages', 'iscsi/test-tool-4096', 'iscsi/test-tool', 'authors/stranger', 'qcow/kill', 'iscsi/load', 'authors/placement', 'qcow/matrix', 'scsi/model.random',
].map((name) => `/test/${name}.test.ts`)
const rank = ({ path }) => {
  const at = longest.findIndex((end) => path.endsWith(end))
  return at < 0 ? longest.length : at
}

module.exports = class LongestFirst extends Sequencer {
  async sort(tests) {
    const usual = await super.sort(tests)
    return usual.map((test, i) => [test, i]).sort(([a, i], [b, j]) => rank(a) - rank(b) || i - j).map(([test]) => test)
  }
}
