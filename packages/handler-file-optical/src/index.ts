import { type Change, type CommandsHandler, defineHandler, type DeviceInfo, Status, TcmuError } from '@tcmu/host/handler'
import type { CommandTable } from '@tcmu/host/scsi'
import { mmcCommands, mmcTable } from './commands'
import { parseConfig } from './config'
import { answer } from './dispatch'
import { Drive } from './drive'
import { BLOCK } from './medium'
import { OPTICAL } from './unit'

interface State {
  readonly drive: Drive
  readonly table: CommandTable
}

function pathOf(config: string): string {
  const parsed = parseConfig(config)
  if (typeof parsed === 'string') throw new TcmuError('E_CONFIG_REFUSED', parsed)
  return parsed.path
}

/** What the operator can do with the disc. */
const changes: { readonly [K in Change['kind']]?: (drive: Drive, change: Extract<Change, { kind: K }>) => Promise<void> } = {
  config: (drive, { config, force = false }) => {
    const path = pathOf(config)
    return path === '' ? drive.takeOut(force, true) : drive.putIn(path, force)
  },
  eject: (drive, { force }) => drive.takeOut(force),
  load: (drive) => drive.putIn(undefined, false),
}

async function open(dev: DeviceInfo): Promise<State> {
  if (dev.blockSize > BLOCK) {
    throw new TcmuError('E_OPTICAL_BLOCK_SIZE', `${dev.name} is to have blocks of ${dev.blockSize} bytes, and discs have ${BLOCK}; give it blocksize=${BLOCK}`, { device: dev.name })
  }
  dev.declare({ readOnly: true, vendor: 'LIO-ORG', product: 'VOPTA', revision: '0001' })
  return { drive: await Drive.open(dev, pathOf(dev.config)), table: mmcTable() }
}

const handler: CommandsHandler<State> = defineHandler<State>({
  subtype: 'fbo',
  summary: 'a CD, DVD or BD drive with an image file in it',
  deviceType: OPTICAL,
  commands: mmcCommands,

  checkConfig(config: string) {
    const parsed = parseConfig(config)
    return typeof parsed === 'string' ? parsed : true
  },
  open,
  close: ({ drive }) => drive.close(),

  handleCmd: ({ drive, table }, task, lun) => answer(drive, table, task, lun),
  nexusLost: ({ drive }, nexus) => drive.removal.release(nexus),
  reset: ({ drive }) => drive.reset(),

  async reconfigure({ drive }, change) {
    const work = changes[change.kind] as ((drive: Drive, change: Change) => Promise<void>) | undefined
    if (!work) return Status.NOT_HANDLED
    await work(drive, change)
    return Status.OK
  },
})

export default handler
