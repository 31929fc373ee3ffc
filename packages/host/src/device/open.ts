import { type DeviceInfo, type DeviceProperties, isBlocks, type CommandsHandler } from '../handler/types'
import { type TcmuError, tcmuError } from '../errors'
import { blockCommands } from '../scsi/commands'
import { Backend } from './backend'
import type { CommandRow } from '../scsi'
import { DeviceRuntime } from './device'
import type { DeviceDeps, DeviceSpec } from './spec'

/** The field of READ CAPACITY(16) has four bits. */
const MOST_EXPONENT = 15

const cfgstringOf = (spec: DeviceSpec): string => `${spec.subtype}/${spec.config}`
const wrong = (spec: DeviceSpec, field: string, reason: string): TcmuError =>
  tcmuError('E_DEVICE_GEOMETRY', { device: spec.name, cfgstring: cfgstringOf(spec), field, reason })

function checkGeometry(spec: DeviceSpec, sizeBytes: number, blockSize = spec.blockSize): void {
  if (!Number.isInteger(blockSize) || blockSize < 512 || blockSize > 65536 || (blockSize & (blockSize - 1)) !== 0) {
    throw wrong(spec, 'blockSize', `block size ${blockSize} is not a power of two from 512 to 65536`)
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < blockSize) {
    throw wrong(spec, 'size', `size ${sizeBytes} is not a number of bytes from one block (${blockSize}) to 2^53; give the LUN a size`)
  }
  const physical = spec.physicalBlockSize ?? blockSize
  const exponent = Math.log2(physical / blockSize)
  if (!Number.isInteger(exponent) || exponent < 0 || exponent > MOST_EXPONENT) {
    throw wrong(spec, 'physicalBlockSize', `physical block size ${physical} is not the block size ${blockSize} times a power of two`)
  }
  if (sizeBytes % blockSize) throw wrong(spec, 'size', `size ${sizeBytes} is not a multiple of the block size ${blockSize}`)
}

async function checkConfig(spec: DeviceSpec, handler: DeviceDeps['handler']): Promise<void> {
  const verdict = (await handler.checkConfig?.(spec.config, spec.options)) ?? true
  if (verdict !== true) throw tcmuError('E_CONFIG_REFUSED', { device: spec.name, cfgstring: cfgstringOf(spec), reason: verdict })
}

const rowsOf = ({ commands }: CommandsHandler, state: unknown): readonly CommandRow[] =>
  typeof commands === 'function' ? commands(state) : (commands ?? [])

/**
 * Check the configuration, open the handler and give back the running device. Rejects with what the handler threw, or
 * with E_CONFIG_REFUSED or E_DEVICE_GEOMETRY; nothing stays open then.
 */
export async function openDevice(spec: DeviceSpec, deps: DeviceDeps): Promise<DeviceRuntime> {
  const { handler, log } = deps
  await checkConfig(spec, handler)
  if (spec.sizeBytes !== 0) checkGeometry(spec, spec.sizeBytes)
  const properties: DeviceProperties = {}
  let sizeBytes = spec.sizeBytes
  let mayBeEmpty = false
  let runtime: DeviceRuntime | undefined
  let kept = spec.kept
  const info: Omit<DeviceInfo, 'reopen' | 'kept' | 'declare'> = {
    name: spec.name, subtype: spec.subtype, config: spec.config, options: spec.options, sizeBytes: spec.sizeBytes,
    blockSize: spec.blockSize, thick: spec.thick === true, log, io: deps.io,
    keep: (fact) => void (kept = fact),
    resized: (bytes) => {
      if (runtime) runtime.resized(bytes)
      else sizeBytes = bytes
    },
    mediumChanged: (bytes) => {
      mayBeEmpty = true
      if (runtime) runtime.mediumChanged(bytes)
      else sizeBytes = bytes
    },
    report: (kind, why) => {
      if (runtime) runtime.report(kind, why)
      else log.warn(`${spec.name}: ${spec.subtype} reports ${kind}`)
    },
  }
  const declare = (p: DeviceProperties): void => {
    if (runtime) throw tcmuError('E_DECLARE_LATE', { device: spec.name, cfgstring: cfgstringOf(spec) })
    Object.assign(properties, p)
  }
  const again = async (): Promise<unknown> =>
    handler.open({ ...info, config: runtime!.config, sizeBytes: runtime!.blocks * runtime!.blockSize, reopen: true, kept, declare: () => undefined })
  const backend = new Backend(handler, await handler.open({ ...info, reopen: spec.reopen === true, kept, declare }), again)
  try {
    if (sizeBytes !== 0 || !mayBeEmpty) checkGeometry(spec, sizeBytes, properties.blockSize)
    const rows = isBlocks(handler) ? () => deps.rows ?? blockCommands : (state: unknown) => rowsOf(handler as CommandsHandler, state)
    runtime = new DeviceRuntime({ spec, backend, properties, sizeBytes, rows, log, serial: deps.serial, recovery: deps.recovery, savedModes: deps.savedModes })
    await runtime.restore(true)
    return runtime
  } catch (e) {
    await backend.close()
    throw e
  }
}
