import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import type { Result, Status } from '../../packages/host/src/scsi'
import { DataArea, Segments } from '../../packages/host/src/wire'
import { describeIf, type Lack } from '../lib/requires'

/** A folder that goes when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-native-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Memory of `sizes` bytes each, one after another backwards through an area, with a gap byte that must stay as it is. */
export function scattered(sizes: readonly number[]): { data: Segments; gapsIntact(): boolean } {
  const GAP = 0xee
  const total = sizes.reduce((a, b) => a + b, 0)
  const area = DataArea.allocate(total + sizes.length)
  area.bytes.fill(GAP)
  const data = new Segments().start(area)
  const gaps: number[] = []
  let at = area.bytes.length
  for (const size of sizes) {
    at -= size + 1
    data.add(at, size)
    gaps.push(at + size)
  }
  return { data, gapsIntact: () => gaps.every((g) => area.bytes[g] === GAP) }
}

export const settled = (results: readonly Result[]): Promise<Status[]> => Promise.all(results.map((r) => Promise.resolve(r)))

/** Why io_uring is not to be had here. */
function uringLack(): Lack {
  const engine = createIoEngine()
  void engine.close()
  return engine.about === 'io_uring' ? undefined : `needs io_uring: ${engine.about}`
}

export const backends: readonly { readonly by: 'threads' | 'uring'; readonly lack: Lack }[] = [{ by: 'threads', lack: undefined }, { by: 'uring', lack: uringLack() }]

/** The same tests for every way of carrying out I/O. */
export function describeBackends(title: string, body: (by: 'threads' | 'uring') => void): void {
  for (const { by, lack } of backends) describeIf(lack, `${title}, by ${by}`, () => body(by))
}

/** An engine for each test of the block around it. */
export function eachTest(by: 'threads' | 'uring', take: (engine: IoEngine) => void): void {
  let engine: IoEngine
  beforeEach(() => take(engine = createIoEngine({ engine: by })))
  afterEach(() => engine.close())
}
