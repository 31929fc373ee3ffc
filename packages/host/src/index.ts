/** The host as a library: `createHost(options)`. Handlers import `@tcmu/host/handler` instead. */
export { createHost, type DeviceRecord, Host, type HostHooks, type HostOptions, type HostParts, type IoEngine } from './host'
export type { Chap, FrontEnd, FrontEndName, Portal, PortalAddress, PortalOptions, SessionInfo } from './frontend'
export { type ErrorCode, errorTable, TcmuError } from './errors'
export { createLog, handlerLog, type Logger, type LogOptions } from './log'
export { type Config, loadConfig, type LunConfig, parseCfgstring, parseLun, parseSize } from './control'
export { type Accepted, type Candidate, type HandlerRecord, type Inventory, type RefusalRecord } from './plugins'
