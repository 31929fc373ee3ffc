import { tcmuError } from '../errors'
import { ModeFile } from './mode-file'
import { StateFileError } from './state-file'

/** Where a device keeps its mode parameters; undefined without a folder for them. Throws E_DEVICE_STATE. */
export function openModes(stateDir: string | undefined, device: string): ModeFile | undefined {
  try {
    return stateDir === undefined ? undefined : new ModeFile(stateDir, device)
  } catch (e) {
    if (!(e instanceof StateFileError)) throw e
    throw tcmuError('E_DEVICE_STATE', { device, file: e.file, reason: e.reason }, { cause: e })
  }
}
