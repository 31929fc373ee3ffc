import { type DeviceDeps, type DeviceRuntime, type DeviceSpec, openDevice } from '../device'
import { Pump, type PumpOptions } from '../device/pump'
import type { Handler, HandlerIo, HandlerLog } from '../handler'
import { type DirectOptions, directly, Initiator, throughRing } from './initiator'
import { FakeKernel, type FakeKernelOptions } from './fake-kernel'

/** A log that keeps its lines, each as `level: message`. */
export class LogLines implements HandlerLog {
  readonly lines: string[] = []
  error(message: string): void {
    this.lines.push(`error: ${message}`)
  }
  warn(message: string): void {
    this.lines.push(`warn: ${message}`)
  }
  info(message: string): void {
    this.lines.push(`info: ${message}`)
  }
  debug(message: string): void {
    this.lines.push(`debug: ${message}`)
  }
}

const noIo: HandlerIo = { open: (path) => Promise.reject(new Error(`no file I/O in this test: ${path}`)) }

export interface TestDeviceOptions extends Partial<DeviceSpec> {
  readonly io?: HandlerIo
  readonly log?: HandlerLog
  readonly rows?: DeviceDeps['rows']
  readonly savedModes?: DeviceDeps['savedModes']
  readonly recovery?: DeviceDeps['recovery']
}

/** Open a device of 1 MiB in 512-byte blocks that refuses reserved bits, or as `options` say. */
export function testDevice(handler: Handler, options: TestDeviceOptions = {}): Promise<DeviceRuntime> {
  const { io = noIo, log = new LogLines(), rows, savedModes, recovery, ...spec } = options
  return openDevice(
    { name: 'test', subtype: handler.subtype, config: '', sizeBytes: 1 << 20, blockSize: 512, serial: 'test', strictCdb: true, ...spec },
    { handler, io, log, ...(rows && { rows }), ...(savedModes && { savedModes }), ...(recovery && { recovery }) },
  )
}

export interface Attached {
  readonly kernel: FakeKernel
  readonly pump: Pump
  readonly initiator: Initiator
  /** Wait for what is in flight, let go of the ring, and check that the protocol was kept to the end. */
  readonly detach: () => Promise<void>
}

/** Serve a device through a ring: fake kernel, pump, and an initiator on the kernel's side. */
export function attach(device: DeviceRuntime, options: FakeKernelOptions & PumpOptions = {}): Attached {
  const kernel = new FakeKernel(options)
  const pump = new Pump(kernel, device, options)
  return {
    kernel, pump,
    initiator: new Initiator(throughRing(kernel), device.blockSize),
    detach: async () => {
      if (!(await pump.stop(5000))) throw new Error(`${pump.ring.inFlight} commands were not answered in 5 s`)
      kernel.assertIdle()
      pump.close()
      kernel.close()
    },
  }
}

/** An initiator that hands tasks straight to the device. */
export const initiatorOf = (device: DeviceRuntime, options: DirectOptions = {}): Initiator => new Initiator(directly(device, options), device.blockSize)
