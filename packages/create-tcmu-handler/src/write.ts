import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AnswerError } from './answers'
import type { NewFile } from './files'

const isEmpty = (folder: string): boolean => {
  try {
    return readdirSync(folder).length === 0
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw new AnswerError(`folder ${folder} cannot be used: ${(e as Error).message}`)
  }
}

/** Write a new package; nothing that is there is touched. */
export function writePackage(folder: string, files: readonly NewFile[]): void {
  if (!isEmpty(folder)) throw new AnswerError(`folder ${folder} is there and not empty; choose another, nothing was changed`)
  for (const { path, text } of files) {
    const to = join(folder, path)
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, text, { flag: 'wx' })
  }
}
