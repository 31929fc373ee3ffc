import { type BlockIo, defineHandler, type DeviceInfo, type DeviceProperties, Status } from '@tcmu/host/handler'
import { type ExecOptions, parseConfig } from './config'
import { Flag, ops } from './frames'
import { can, execError, type Terms } from './handshake'
import { Program } from './program'
import { checkPlace } from './trust'

function propertiesOf(terms: Terms): DeviceProperties {
  return {
    ...(!can(terms, 'UNMAP') && { lacking: ['unmap', 'extents'] as const }), writeCache: can(terms, 'FLUSH'), unmappedReadsZero: can(terms, 'UNMAP_ZEROES'),
    ...(can(terms, 'READ_ONLY') && { readOnly: true }), ...(can(terms, 'SOLID_STATE') && { solidState: true }),
  }
}

/** Consecutive stretches that fit into a payload, one after another; ends at the first that is not OK. */
async function pieces(program: Program, { offset, length }: BlockIo, move: (at: number, offset: number, size: number) => Promise<Status>): Promise<Status> {
  const most = program.terms.maxPayload
  for (let at = 0; at < length; at += most) {
    const status = await move(at, offset + at, Math.min(most, length - at))
    if (status !== Status.OK) return status
  }
  return Status.OK
}

function read(program: Program, io: BlockIo): Promise<Status> {
  const { data, length, signal } = io
  return pieces(program, io, (at, offset, size) => program.ask({ op: ops.read, offset, length: size, into: size === length ? data : data.slice(at, size), signal }))
}

async function write(program: Program, io: BlockIo): Promise<Status> {
  const { terms } = program
  const fua = io.fua && can(terms, 'FUA')
  const bytes = io.data.toBuffer()
  const status = await pieces(program, io, (at, offset, size) =>
    program.change({ op: ops.write, offset, length: size, flags: fua ? Flag.FUA : 0, payload: bytes.subarray(at, at + size), signal: io.signal }))
  return status === Status.OK && io.fua && !fua && can(terms, 'FLUSH') ? program.flush({ op: ops.flush, signal: io.signal }) : status
}

export default defineHandler({
  subtype: 'exec',
  summary: 'a program in any language, asked over a pipe or a Unix socket',

  checkConfig(config, options: ExecOptions | undefined) {
    const parsed = parseConfig(config, options)
    return typeof parsed === 'string' ? parsed : checkPlace(parsed.kind, parsed.path)
  },

  async open(dev: DeviceInfo<ExecOptions>): Promise<Program> {
    const config = parseConfig(dev.config, dev.options)
    if (typeof config === 'string') throw new RangeError(config)
    const place = checkPlace(config.kind, config.path)
    if (place !== true) throw execError(dev, config, place)
    const program = await Program.open(dev, config)
    dev.declare(propertiesOf(program.terms))
    if (dev.sizeBytes === 0) dev.resized(program.terms.sizeBytes)
    return program
  },
  close: (program) => program.close(),
  reset: (program) => program.reset(),

  read,
  write,
  fua: 'native',
  flush: (program) => (can(program.terms, 'FLUSH') ? program.flush({ op: ops.flush }) : Status.OK),
  // SBC-3 table 77: "mapped" is also what is said of blocks that nothing is known of.
  extents: (_, { offset, length }) => [{ offset, length, state: 'mapped' }],
  unmap: (program, { offset, length, signal }) => program.change({ op: ops.unmap, offset, length, signal }),
  writeSame: (program, { data, offset, length, signal }) =>
    (can(program.terms, 'WRITE_SAME') ? program.change({ op: ops.writeSame, offset, length, payload: data.toBuffer(), signal }) : Status.NOT_HANDLED),
})
