/** What the host needs of a message bus, so that the library behind it can be another one. */

/** A value with its signature, as in `a{sv}`. */
export class DbusVariant {
  constructor(readonly signature: string, readonly value: unknown) {}
}

export interface DbusCall {
  /** Unique name of the caller. */
  readonly sender: string
  readonly path: string
  /** Callers may leave it out. */
  readonly interface: string | undefined
  readonly member: string
  readonly signature: string
  /** 64-bit numbers are bigints. */
  readonly body: readonly unknown[]
}

export interface DbusAnswer {
  readonly signature: string
  readonly body: readonly unknown[]
}

export interface DbusSignal {
  readonly sender: string
  readonly path: string
  readonly interface: string
  readonly member: string
  readonly body: readonly unknown[]
}

export interface DbusRequest extends DbusAnswer {
  readonly destination: string
  readonly path: string
  readonly interface: string
  readonly member: string
}

/** An error as it travels over the bus. */
export class DbusFault extends Error {
  constructor(readonly fault: string, message: string) {
    super(message)
  }
}

/** Error names of the D-Bus specification. */
export const fault = {
  failed: 'org.freedesktop.DBus.Error.Failed',
  unknownObject: 'org.freedesktop.DBus.Error.UnknownObject',
  unknownInterface: 'org.freedesktop.DBus.Error.UnknownInterface',
  unknownMethod: 'org.freedesktop.DBus.Error.UnknownMethod',
  unknownProperty: 'org.freedesktop.DBus.Error.UnknownProperty',
  readOnly: 'org.freedesktop.DBus.Error.PropertyReadOnly',
  invalidArgs: 'org.freedesktop.DBus.Error.InvalidArgs',
  limits: 'org.freedesktop.DBus.Error.LimitsExceeded',
  noOwner: 'org.freedesktop.DBus.Error.NameHasNoOwner',
} as const

/** What is to be done with what comes in. Neither may throw, but `call` may reject, with DbusFault if the caller is to know. */
export interface DbusListener {
  call(call: DbusCall): Promise<DbusAnswer>
  signal(signal: DbusSignal): void
}

export interface DbusConnection {
  /** Resolves to the reply's body. Rejects with DbusFault, also when none comes in time or the connection ends. */
  call(request: DbusRequest, timeoutMs: number): Promise<readonly unknown[]>
  /** Lost without a word when the connection has ended. */
  emit(signal: Omit<DbusSignal, 'sender'> & { readonly signature: string }): void
  /** Settles when the connection has ended, with what ended it; never rejects. */
  readonly ended: Promise<string>
  close(): void
}

export interface DbusTransport {
  /** Connect and say hello. Rejects when that has not happened after `timeoutMs`. */
  connect(address: string, listener: DbusListener, timeoutMs: number): Promise<DbusConnection>
}
