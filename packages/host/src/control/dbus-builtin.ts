import { constants } from 'node:os'
import { quote } from '../errors'
import { type Change, Status } from '../handler'
import { type Cfgstring, parseCfgstring } from './cfgstring'
import { within } from './within'
import { type MediumChange, type MediumVerdict, type ServedHandler, sentenceOf, type Verdict } from './dbus-objects'

/** A device as far as a change of its medium goes. */
export interface MediumDevice {
  readonly subtype: string
  reconfigure(change: Change): Promise<Status>
}

/** Handlers of this host, for the bus. */
export interface HandlerSource {
  list(): readonly { readonly subtype: string; readonly configHelp: string }[]
  /** True, or why not. May reject. */
  check(subtype: string, config: string): Promise<true | string>
  /** A running device by its name. */
  device(name: string): MediumDevice | undefined
}

/** Clients give up after 25 s. */
const CHECK_MS = 20_000
const { EINVAL, ENODEV, EOPNOTSUPP, EBUSY, EIO, ETIMEDOUT } = constants.errno
const failed = (errno: number, message: string): MediumVerdict => ({ rc: -errno, message })

/** The cfgstring of this subtype, or what is wrong with it. */
function read(subtype: string, text: string): Cfgstring | string {
  try {
    const parsed = parseCfgstring(text)
    return parsed.subtype === subtype ? parsed : `${quote(text)} is for the handler ${parsed.subtype}, and this is ${subtype}`
  } catch (e) {
    return sentenceOf(e)
  }
}

/** Handlers whose code runs in this host. */
export class BuiltinHandlers {
  private readonly changing = new Set<string>()

  constructor(private readonly source: HandlerSource, private readonly checkMs = CHECK_MS) {}

  list(): ServedHandler[] {
    return this.source.list().map(({ subtype, configHelp }) => ({
      subtype, configHelp,
      check: (cfgstring) => this.check(subtype, cfgstring),
      changeMedium: (change) => this.changeMedium(subtype, change),
    }))
  }

  private async check(subtype: string, cfgstring: string): Promise<Verdict> {
    const parsed = read(subtype, cfgstring)
    if (typeof parsed === 'string') return { ok: false, message: parsed }
    const asked = this.source.check(subtype, parsed.config).then(
      (verdict): Verdict => (verdict === true ? { ok: true, message: 'success' } : { ok: false, message: verdict }),
      (e: unknown): Verdict => ({ ok: false, message: sentenceOf(e) }),
    )
    return within(this.checkMs, asked, () => ({ ok: false, message: `the handler ${subtype} has not said anything for ${this.checkMs / 1000} s` }))
  }

  private async changeMedium(subtype: string, change: MediumChange): Promise<MediumVerdict> {
    const name = change.device
    const parsed = read(subtype, change.cfgstring)
    if (typeof parsed === 'string') return failed(EINVAL, parsed)
    if (change.size > Number.MAX_SAFE_INTEGER) return failed(EINVAL, `size ${change.size} is beyond 2^53 - 1 bytes`)
    const device = this.source.device(name)
    if (!device) return failed(ENODEV, `this host has no device ${quote(name)}`)
    if (device.subtype !== subtype) return failed(EINVAL, `device ${quote(name)} is one of the handler ${device.subtype}, and this is ${subtype}`)
    const { ok, message } = await this.check(subtype, change.cfgstring)
    if (!ok) return failed(EINVAL, message)
    if (this.changing.has(name)) return failed(EBUSY, `the medium of ${quote(name)} is being changed already`)
    this.changing.add(name)
    const work = this.apply(device, subtype, parsed.config, Number(change.size)).finally(() => this.changing.delete(name))
    return within(this.checkMs, work, () => failed(ETIMEDOUT, `the handler ${subtype} has not changed the medium of ${quote(name)} for ${this.checkMs / 1000} s`))
  }

  private async apply(device: MediumDevice, subtype: string, config: string, sizeBytes: number): Promise<MediumVerdict> {
    try {
      const status = await device.reconfigure({ kind: 'config', config })
      if (status === Status.NOT_HANDLED) return failed(EOPNOTSUPP, `devices of the handler ${subtype} have no medium that can be changed`)
      if (status !== Status.OK) return failed(EIO, `the handler ${subtype} did not take ${quote(config)}: ${nameOf(status)}`)
      const resized = sizeBytes > 0 ? await device.reconfigure({ kind: 'size', sizeBytes }) : Status.OK
      // A handler that has no say in the size has told the host the medium's own.
      if (resized === Status.OK || resized === Status.NOT_HANDLED) return { rc: 0, message: 'success' }
      return failed(EIO, `the medium was changed, but the handler ${subtype} did not take the size ${sizeBytes}: ${nameOf(resized)}`)
    } catch (e) {
      return failed(EIO, sentenceOf(e))
    }
  }
}

const nameOf = (status: Status): string => Object.entries(Status).find(([, value]) => value === status)?.[0] ?? String(status)
