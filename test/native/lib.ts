import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Result, Status } from '../../packages/host/src/scsi'
import { DataArea, Segments } from '../../packages/host/src/wire'

/** Property tests over real files take a second alone, and many under a sanitizer or beside other work. */
jest.setTimeout(120_000)

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
