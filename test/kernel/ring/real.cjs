'use strict'
// The cases over the real kernel: this process is the program on the other side of one device's ring, tcm_loop and sg_raw are
// the initiator. Runs in the VM, without the host: node real.cjs
const { execFile } = require('node:child_process')
const { mkdirSync, readFileSync, readdirSync, writeFileSync, mkdtempSync } = require('node:fs')
const { symlink } = require('node:fs/promises')
const { join } = require('node:path')
const { cases, UserSpace } = require('./cases.cjs')

const dist = '/opt/tcmu/packages/host/dist'
const abi = require(`${dist}/ring/abi.js`)
const { Pump, ramHandler, testDevice } = require(`${dist}/testing/index.js`)
const { loadNative } = require(`${dist}/platform/index.js`)
const { UioPort } = require(`${dist}/kernel/port.js`)

const lio = '/sys/kernel/config/target'
const folder = `${lio}/core/user_7/ring`
const loopback = `${lio}/loopback/naa.5001405000000071/tpgt_1`
const TIME_OUT = 8
const CASE_MS = 60_000
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const work = mkdtempSync('/tmp/ring-')
const keys = { 'not ready': 2, 'medium error': 3, 'hardware error': 4, 'illegal request': 5, 'unit attention': 6 }

/** A backstore that nobody answers for, with a small ring, and the program's end of it. */
function backstore() {
  mkdirSync(folder, { recursive: true })
  // No daemon is there to reply.
  for (const option of ['dev_config=ring/x', 'dev_size=1048576', 'cmd_ring_size_mb=1', 'nl_reply_supported=-1']) writeFileSync(`${folder}/control`, option)
  writeFileSync(`${folder}/enable`, '1')
  writeFileSync(`${folder}/attrib/cmd_time_out`, String(TIME_OUT))
  writeFileSync(`${folder}/attrib/tmr_notification`, '1')
  const uio = readdirSync('/sys/class/uio').find((u) => readFileSync(`/sys/class/uio/${u}/name`, 'utf8').includes('/ring/ring/x'))
  const size = Number(readFileSync(`/sys/class/uio/${uio}/maps/map0/size`, 'utf8'))
  return new UioPort(new (loadNative().UioMap)(`/dev/${uio}`, size), (e) => console.log(`uio: ${e.message}`))
}

/** Make it a LUN; its sg node, once the initiator has looked at it. */
async function connect() {
  mkdirSync(`${loopback}/lun/lun_0`, { recursive: true })
  writeFileSync(`${loopback}/nexus`, 'naa.5001405000000072')
  // The initiator looks at the LUN while this is under way, and we are who answers.
  await symlink(folder, `${loopback}/lun/lun_0/of_ring`)
  for (;;) {
    const sd = readdirSync('/sys/class/scsi_disk').find(() => true)
    if (sd) {
      // The disk's own look at itself ends with the capacity.
      const device = `/sys/class/scsi_disk/${sd}/device`
      if (readdirSync(device).includes('block')) {
        await sleep(1500)
        return readdirSync(`${device}/scsi_generic`)[0]
      }
    }
    await sleep(100)
  }
}

let serial = 0
const initiatorOf = (sg) => ({
  // sg_raw writes no data beside sense data.
  dropsData: true,
  send: (cdb, { dataIn = 0, dataOut, abortAfter = 40 } = {}) => new Promise((resolve) => {
    const file = join(work, String(serial++))
    if (dataOut) writeFileSync(`${file}.out`, dataOut)
    const data = dataOut ? ['-s', String(dataOut.length), '-i', `${file}.out`] : dataIn ? ['-r', String(dataIn), '-o', `${file}.in`] : []
    const bytes = cdb.map((b) => b.toString(16).padStart(2, '0'))
    execFile('sg_raw', ['-t', String(abortAfter), ...data, `/dev/${sg}`, ...bytes], (error, out, err) => {
      const text = `${out}${err}`.toLowerCase()
      const key = Object.entries(keys).find(([name]) => text.includes(`sense key: ${name}`))?.[1] ?? 0
      let read = Buffer.alloc(0)
      try { read = readFileSync(`${file}.in`) } catch { /* none came */ }
      resolve({ status: key ? 2 : error ? 0xff : 0, key, data: read, aborted: error !== null && key === 0, text })
    })
  }),
})

async function main() {
  const port = backstore()
  const unit = await testDevice(ramHandler)
  const user = new UserSpace({ Pump, port, unit })
  const sg = await connect()
  const initiator = initiatorOf(sg)
  // Unit attentions of a new LUN.
  for (let i = 0; i < 3; i++) await initiator.send([0, 0, 0, 0, 0, 0])
  unit.leave(user.pump.nexus)
  user.unit = undefined
  const bytes = new Uint8Array(port.memory)
  const words = new Uint32Array(port.memory)
  const write = (file, text) => writeFileSync(`${folder}/action/${file}`, text)
  const kernel = {
    words, bytes, abi,
    get entryAt() { return words[abi.Mailbox.at.cmdrOff >> 2] + words[abi.Mailbox.at.cmdTail >> 2] },
    kick: () => port.kick(),
    block: (on) => write('block_dev', on ? '1' : '0'),
    reset: (how) => write('reset_ring', how === 'retry' ? '1' : '2'),
    freeKept: (id) => write('free_kept_buf', String(id)),
    expire: () => sleep((TIME_OUT + 2) * 1000),
    pause: sleep,
  }
  for (const [name, run] of Object.entries(cases)) {
    const late = sleep(CASE_MS).then(() => { throw new Error(`not done in ${CASE_MS / 1000} s`) })
    try {
      await Promise.race([run(initiator, user, kernel), late])
      console.log(`ok ${name}`)
    } catch (e) {
      console.log(`failed ${name}: ${e.stack}\nbroken: ${user.broken.join()}`)
      // What one case left behind is not the next one's.
      if (!user.pump.ring.broken) for (const task of user.taken.splice(0)) task.finish()
    }
  }
  process.exit(0)
}
main().catch((e) => {
  console.log(e.stack)
  process.exit(1)
})
