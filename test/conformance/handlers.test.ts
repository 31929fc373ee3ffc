import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import exec from '@tcmu/handler-exec'
import file from '@tcmu/handler-file'
import optical from '@tcmu/handler-file-optical'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { type Conformance, fileIo, handlerConformance } from '../../packages/host/src/testing'

const MIB = 1 << 20
const folder = mkdtempSync(join(tmpdir(), 'tcmu-conformance-'))
let engine: IoEngine
beforeAll(() => void (engine = createIoEngine()))
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})
const fresh = (): string => join(mkdtempSync(join(folder, 'medium-')), 'disk')
const freshImage = (): string => {
  const path = fresh()
  writeFileSync(path, Buffer.alloc(MIB, 7))
  return path
}

/** The host's own I/O engine; made when the first promise opens a file. */
const engineIo = { open: (...a: Parameters<IoEngine['open']>) => engine.open(...a) } as IoEngine

/** As root the host runs nothing that others could change, so the example is copied to where nobody can. */
const python = join(folder, 'ram.py')
copyFileSync(join(__dirname, '../../packages/handler-exec/examples/ram.py'), python)

const handlers: readonly (readonly [string, Conformance])[] = [
  ['file', { handler: file, config: fresh, geometry: { sizeBytes: 16 * MIB }, badConfigs: ['', 'relative'] }],
  ['file, blocks of 4096 bytes', { handler: file, config: fresh, geometry: { sizeBytes: 16 * MIB, blockSize: 4096 } }],
  ['fbo', { handler: optical, config: freshImage, geometry: { sizeBytes: MIB, blockSize: 2048 }, badConfigs: ['relative'] }],
]

describe.each(handlers)('%s', (_name, conformance) => {
  describe('over the I/O engine', () => handlerConformance({ ...conformance, io: engineIo }))
  // The stand-in that handler authors test with is held to the engine by the same promises.
  describe('over node:fs', () => handlerConformance({ ...conformance, io: fileIo() }))
})

// It opens no files by the host.
describe('exec, with a program in Python', () => handlerConformance({
  handler: exec, config: python, geometry: { sizeBytes: 16 * MIB }, volatile: true, badConfigs: ['', 'relative', '/nowhere/program', `${python};what=1`, 'unix:/nowhere.sock'],
}))
