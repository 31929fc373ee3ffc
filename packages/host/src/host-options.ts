import type { Address, LunInput, PortGroupConfig } from './control'
import type { Chap, FrontEnd } from './frontend'
import type { Handler, HandlerIo } from './handler'
import type { IoEngineChoice } from './io'
import type { KernelOptions } from './kernel'
import type { Logger } from './log'
import type { FilterOptions, ImportModule, PathGuard } from './plugins'
import type { PlacementChoices } from './supervisor'
import type { DataArea } from './wire'

/** An opener of files for handlers that is closed with the host. */
export interface IoEngine extends HandlerIo {
  /** Start what was asked for since the last time. */
  submit?(): void
  /** Forget memory before it is unmapped. */
  release?(area: DataArea): void
  /** What carries it out, for people. */
  readonly about?: string
  close(): Promise<void>
}

/** Parts that a host makes itself unless it is given others. */
export interface HostParts {
  readonly loadModule?: ImportModule
  readonly openIo?: () => IoEngine | Promise<IoEngine>
  readonly frontEnd?: () => Promise<FrontEnd>
  readonly guard?: PathGuard
}

export interface HostOptions extends FilterOptions {
  /** Serve the kernel's devices (LIO), and no portal of our own. */
  readonly kernel?: KernelOptions
  readonly luns?: readonly LunInput[]
  /** Handlers by value. With these, packages are only looked for where `handlerRoot` and `handlerPaths` say. */
  readonly handlers?: readonly Handler[]
  readonly targetName?: string
  /** Where the portal listens; false: there is none. Default 127.0.0.1:3260. */
  readonly portal?: (Address & { readonly pollMicros?: number | undefined }) | false
  readonly chap?: Chap
  readonly acl?: readonly string[]
  readonly allowOpen?: boolean
  /** Target port group of the portal. Left out: there are none. */
  readonly portGroup?: PortGroupConfig
  readonly handlerRoot?: string
  readonly handlerRootAsked?: boolean
  readonly handlerPaths?: readonly string[]
  /** Folder for what must outlive the process. */
  readonly stateDir?: string
  /** Path of the control socket; none when left out. */
  readonly socket?: string
  /** Fail when the control socket cannot be had; otherwise that is a warning. */
  readonly socketAsked?: boolean
  /** Address of the message bus to be targetcli's service on. Left out or false: none. */
  readonly dbus?: string | false
  /** Run handlers of others in processes of their own, and all as `placement` says. Default false: everything runs in this thread. */
  readonly isolate?: boolean
  readonly placement?: PlacementChoices
  /** What carries out file I/O that waits. Default `auto`. */
  readonly ioEngine?: IoEngineChoice
  readonly log?: Logger
  readonly parts?: HostParts
}
