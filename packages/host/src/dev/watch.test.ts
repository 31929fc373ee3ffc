import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CodeWatch } from './watch'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-watch-'))
const at = (...parts: string[]): string => join(folder, ...parts)
const PERIOD = 25
let watch: CodeWatch | undefined
let reports: (readonly string[])[] = []

function watching(entry?: string): void {
  reports = []
  watch = new CodeWatch(folder, (files) => void reports.push(files), entry, PERIOD).start()
}
async function reported(): Promise<readonly string[]> {
  for (let i = 0; i < 200 && reports.length === 0; i++) await sleep(PERIOD)
  return reports.shift() ?? []
}
const quiet = (): Promise<void> => sleep(PERIOD * 6)

beforeEach(() => {
  mkdirSync(at('src'), { recursive: true })
  writeFileSync(at('src/index.js'), 'one')
  writeFileSync(at('package.json'), '{}')
})
afterEach(() => {
  watch?.stop()
  rmSync(folder, { recursive: true })
  mkdirSync(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a file that is written anew is reported once', async () => {
  watching()
  writeFileSync(at('src/index.js'), 'two')
  expect(await reported()).toEqual(['src/index.js'])
  await quiet()
  expect(reports).toEqual([])
})

test('an editor that writes beside and renames, and one that moves the old file away first', async () => {
  watching()
  writeFileSync(at('src/.index.js.swp'), 'two')
  renameSync(at('src/.index.js.swp'), at('src/index.js'))
  expect(await reported()).toEqual(['src/index.js'])
  renameSync(at('src/index.js'), at('src/index.js~'))
  writeFileSync(at('src/index.js'), 'three')
  expect(await reported()).toEqual(['src/index.js'])
})

test('a writer that takes its time is waited for: one report, of the whole', async () => {
  watching()
  for (let i = 0; i < 12; i++) {
    writeFileSync(at('src/index.js'), 'x'.repeat(i + 1))
    await sleep(PERIOD / 2)
  }
  expect(await reported()).toEqual(['src/index.js'])
  await quiet()
  expect(reports.length).toBeLessThanOrEqual(1)
})

test('files that come and go, folders that are replaced', async () => {
  watching()
  mkdirSync(at('lib'))
  writeFileSync(at('lib/more.mjs'), '1')
  expect(await reported()).toEqual(['lib/more.mjs'])
  rmSync(at('lib'), { recursive: true })
  expect(await reported()).toEqual(['lib/more.mjs'])
  mkdirSync(at('next'))
  writeFileSync(at('next/index.js'), 'new')
  rmSync(at('src'), { recursive: true })
  renameSync(at('next'), at('src'))
  // The folder in between may have been seen.
  expect(await reported()).toContain('src/index.js')
})

test('the same text again, other packages, hidden files, texts: nobody\'s business', async () => {
  watching()
  writeFileSync(at('src/index.js'), 'one')
  utimesSync(at('src/index.js'), new Date(), new Date(0))
  mkdirSync(at('node_modules/x'), { recursive: true })
  mkdirSync(at('.git'))
  for (const path of ['node_modules/x/index.js', '.git/config.json', 'src/notes.md', 'src/index.ts', '.hidden.js']) writeFileSync(at(path), 'x')
  await quiet()
  expect(reports).toEqual([])
})

test('sources of another extension count when the entry has it', async () => {
  watching('src/index.ts')
  writeFileSync(at('src/index.ts'), 'x')
  expect(await reported()).toEqual(['src/index.ts'])
})

test('a folder that goes away and comes back', async () => {
  watching()
  renameSync(folder, `${folder}-away`)
  expect(await reported()).toEqual(['package.json', 'src/index.js'])
  renameSync(`${folder}-away`, folder)
  expect(await reported()).toEqual(['package.json', 'src/index.js'])
})
