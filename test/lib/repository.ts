import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const repository = join(__dirname, '..', '..')
export const inRepository = (...parts: string[]): string => join(repository, ...parts)

const generated = new Set(['node_modules', 'dist', 'build', 'var', 'coverage', 'prebuilds', '.git'])

/** Files below a folder, build output and dependencies left out; paths are relative to the repository. */
export function filesBelow(folder: string, wanted: (name: string) => boolean): string[] {
  if (!existsSync(inRepository(folder))) return []
  return readdirSync(inRepository(folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    if (entry.isDirectory()) return generated.has(entry.name) ? [] : filesBelow(path, wanted)
    return wanted(entry.name) ? [path] : []
  })
}

/** What is, or is about to be, under version control; every file where there is no git. */
export function trackedFiles(): string[] {
  try {
    const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return list.split('\0').filter((path) => path && existsSync(inRepository(path)))
  } catch {
    return filesBelow('', (name) => !name.endsWith('.tsbuildinfo'))
  }
}
