// Zones as three programs tell of them. node zones.cjs DEVICE NAME: `blkzone report`, `sg_rep_zones` and `tcmu-host zones` have to
// agree about every zone. node zones.cjs --list DEVICE: start, write pointer and condition of each, one a line.
const { execFileSync } = require('node:child_process')

const run = (...command) => execFileSync(command[0], command.slice(1), { encoding: 'utf8', maxBuffer: 1 << 26 })
const NONE = -1
/** Conditions without a write pointer worth comparing: none, read only, full, offline. */
const unmoved = new Set([0, 0xd, 0xe, 0xf])

function byBlkzone(device) {
  return run('blkzone', 'report', device).trim().split('\n').map((line) => {
    const [, start, length, pointer, condition, type] = /start: 0x(\w+), len 0x(\w+), cap 0x\w+, wptr 0x(\w+) reset:\d non-seq:\d, zcond:\s*(\d+)\(\w+\) \[type: (\d)/.exec(line)
    return { start: parseInt(start, 16), length: parseInt(length, 16), pointer: parseInt(start, 16) + parseInt(pointer, 16), condition: Number(condition), type: Number(type) }
  })
}
const conditions = { 'Not write pointer': 0, Empty: 1, 'Implicitly opened': 2, 'Explicitly opened': 3, Closed: 4, 'Read only': 0xd, Full: 0xe, Offline: 0xf }
const types = { Conventional: 1, 'Sequential write required': 2, 'Sequential write preferred': 3 }
const number = (text) => (text === '-1' ? NONE : Number(text))
function bySg(device) {
  return run('sg_rep_zones', '-m', '1048576', device).split(/Zone descriptor: \d+\n/).slice(1).map((text) => {
    const field = (name) => new RegExp(`${name}: (.*)`).exec(text)[1].trim()
    return {
      start: number(field('Zone start LBA')), length: number(field('Zone Length')), pointer: number(field('Write pointer LBA')), condition: conditions[field('Zone condition')],
      type: types[field('Zone type')],
    }
  })
}
const byHost = (name) => JSON.parse(run('tcmu-host', 'zones', name, '--json')).zones.map(({ start, length, writePointer = NONE, condition, type }) =>
  ({ start, length, pointer: writePointer, condition, type }))

const [, , first, second] = process.argv
if (first === '--list') {
  for (const z of byBlkzone(second)) console.log(z.start, unmoved.has(z.condition) ? '-' : z.pointer, z.condition)
} else {
  const line = (z) => `${z.start} ${z.length} ${unmoved.has(z.condition) ? '-' : z.pointer} ${z.condition} ${z.type}`
  const all = { blkzone: byBlkzone(first).map(line), sg_rep_zones: bySg(first).map(line), 'tcmu-host': byHost(second).map(line) }
  for (const [name, zones] of Object.entries(all)) {
    const at = zones.findIndex((z, i) => z !== all.blkzone[i])
    if (zones.length !== all.blkzone.length || at >= 0) throw new Error(`${name} has ${zones.length} zones, zone ${at} ${zones[at]}; blkzone ${all.blkzone.length}, ${all.blkzone[at]}`)
  }
  console.log(`${all.blkzone.length} zones agree`)
}
