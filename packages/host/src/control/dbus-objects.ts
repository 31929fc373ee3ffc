import { RESERVED_SUBTYPE } from '../handler/manifest'
import { oneLine, reasonOf, TcmuError } from '../errors'
import type { DbusInterface } from './dbus-tree'

/** Names and signatures are those of the C daemon, byte for byte: targetcli swallows every error of its listing. */
export const BUS_NAME = 'org.kernel.TCMUService1'
export const ROOT_PATH = '/org/kernel/TCMUService1'
export const MANAGER_PATH = `${ROOT_PATH}/${RESERVED_SUBTYPE}`
export const MANAGER_NAME = `${BUS_NAME}.${RESERVED_SUBTYPE}`
export const handlerPath = (subtype: string): string => `${ROOT_PATH}/${subtype}`

export interface Verdict {
  readonly ok: boolean
  /** A sentence for people. */
  readonly message: string
}

export interface MediumChange {
  readonly device: string
  /** Bytes. */
  readonly size: bigint
  /** With its subtype. */
  readonly cfgstring: string
}

export interface MediumVerdict {
  /** 0, or a negative errno. */
  readonly rc: number
  readonly message: string
}

/** One handler as the bus sees it, whoever runs it. */
export interface ServedHandler {
  readonly subtype: string
  readonly configHelp: string
  check(cfgstring: string): Promise<Verdict>
  changeMedium(change: MediumChange): Promise<MediumVerdict>
}

/** Text that D-Bus can carry: no zero bytes, no halves of surrogate pairs. */
export const busText = (text: string): string => text.replace(/[\0\p{Cs}]/gu, '\u{FFFD}')

/** What went wrong as a sentence, without the code that logs have. */
export function sentenceOf(e: unknown): string {
  return oneLine(e instanceof TcmuError ? e.message.slice(e.code.length + 2) : reasonOf(e))
}

export function handlerInterface(handler: ServedHandler): DbusInterface {
  return {
    name: BUS_NAME,
    methods: {
      CheckConfig: {
        takes: [['configstr', 's']], gives: [['is_valid', 'b'], ['message', 's']],
        run: async ([cfgstring]) => {
          const { ok, message } = await handler.check(cfgstring as string)
          return [ok, busText(message)]
        },
      },
      ChangeMedium: {
        takes: [['name', 's'], ['size', 't'], ['cfgstring', 's']], gives: [['rc', 'i'], ['message', 's']],
        run: async ([device, size, cfgstring]) => {
          const { rc, message } = await handler.changeMedium({ device: device as string, size: size as bigint, cfgstring: cfgstring as string })
          return [rc, busText(message)]
        },
      },
    },
    properties: { ConfigDesc: { signature: 's', value: busText(handler.configHelp) } },
  }
}

type Registration = (subtype: string, description: string, sender: string) => Promise<Verdict>

export function managerInterface(register: Registration, unregister: Registration): DbusInterface {
  const gives = [['succeeded', 'b'], ['message', 's']] as const
  return {
    name: MANAGER_NAME,
    methods: {
      RegisterHandler: {
        takes: [['subtype', 's'], ['cfgstr_desc', 's']], gives,
        run: async ([subtype, description], { sender }) => {
          const { ok, message } = await register(subtype as string, description as string, sender)
          return [ok, busText(message)]
        },
      },
      UnregisterHandler: {
        takes: [['subtype', 's']], gives,
        run: async ([subtype], { sender }) => {
          const { ok, message } = await unregister(subtype as string, '', sender)
          return [ok, busText(message)]
        },
      },
    },
  }
}
