import { quote, tcmuError } from '../errors'
import { type Change, Status } from '../handler'
import type { MediumDevice } from './dbus-builtin'
import type { Methods } from './socket'

/** What the operator asks for with `tcmu-host eject` and `insert`. */
export interface MediumRequest {
  readonly device: string
  /** What the handler is to put in; left out: what was taken out. */
  readonly config?: string
  /** Although an initiator prevents it. */
  readonly force?: boolean
}

const wrong = (reason: string): Error => tcmuError('E_MEDIUM_REQUEST', { reason })

function requestOf(params: unknown): MediumRequest {
  if (typeof params !== 'object' || params === null) throw wrong('wanted {"device": NAME}')
  const { device, config, force } = params as Record<string, unknown>
  if (typeof device !== 'string') throw wrong(`device is a name, not ${quote(device)}`)
  if (config !== undefined && typeof config !== 'string') throw wrong(`config is a text, not ${quote(config)}`)
  if (force !== undefined && typeof force !== 'boolean') throw wrong(`force is true or false, not ${quote(force)}`)
  return { device, ...(config !== undefined && { config }), ...(force !== undefined && { force }) }
}

/** Methods of the control socket that move media; `find` knows the devices by name. */
export function mediumMethods(find: (name: string) => (MediumDevice & { readonly subtype: string }) | undefined): Methods {
  const apply = async ({ device: name }: MediumRequest, change: Change): Promise<{ device: string }> => {
    const device = find(name)
    if (!device) throw tcmuError('E_NO_DEVICE', { device: quote(name) })
    const status = await device.reconfigure(change)
    if (status === Status.NOT_HANDLED) throw tcmuError('E_MEDIUM_FIXED', { device: name, handler: device.subtype })
    if (status !== Status.OK) throw wrong(`the handler ${device.subtype} answered with status ${status}`)
    return { device: name }
  }
  return {
    eject: (params) => {
      const request = requestOf(params)
      return apply(request, { kind: 'eject', force: request.force === true })
    },
    insert: (params) => {
      const request = requestOf(params)
      const { config, force = false } = request
      return apply(request, config === undefined ? { kind: 'load' } : { kind: 'config', config, force })
    },
  }
}
