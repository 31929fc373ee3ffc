import { constants, type Stats } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** True, or what is wrong and what to do, as the host passes it on to people. */
export type Verdict = true | string

/** Below /dev a missing name is a missing device: a file in its place would look like one, and be gone after a restart. */
export const mayMake = (path: string): boolean => !/^\/+dev\/+(?!shm\/)/.test(path)

const kinds: readonly (readonly [is: (s: Stats) => boolean, name: string])[] = [
  [(s) => s.isDirectory(), 'a directory'], [(s) => s.isSocket(), 'a socket'], [(s) => s.isFIFO(), 'a pipe'], [(s) => s.isCharacterDevice(), 'a character device'],
]

const codeOf = (e: unknown): unknown => (e as NodeJS.ErrnoException).code
const may = (path: string, mode: number): Promise<boolean> => access(path, mode).then(() => true, () => false)

/** What is wrong with the text alone. */
export function checkText(path: string): Verdict {
  if (path === '') return 'the path is missing; write file/ and then the path, as in file//srv/disk0.img'
  if (!path.startsWith('/')) return `the path must be absolute; write file//${path} if that is meant`
  return path.includes('\0') ? 'the path contains a zero byte' : true
}

/** What is at the path, or why nothing can be told of it. */
async function look(path: string): Promise<Stats | 'missing' | { readonly wrong: string }> {
  try {
    return await stat(path)
  } catch (e) {
    if (codeOf(e) === 'ENOENT') return 'missing'
    if (codeOf(e) === 'ENOTDIR') return { wrong: `${path}: a part of the path is no folder; correct it` }
    if (codeOf(e) === 'EACCES') return { wrong: `${path}: this user may not look into its folder; run the host as another one, or give it the right to` }
    return { wrong: `${path} cannot be looked at (${String(codeOf(e))})` }
  }
}

/** Whether a file can be made there. */
async function checkFolder(path: string): Promise<Verdict> {
  if (!mayMake(path)) return `${path} is not there, and devices are not made; correct the path, or bring the device up`
  if (path.endsWith('/')) return `${path} ends in a slash; name a file`
  const folder = dirname(path)
  const found = await look(folder)
  if (found === 'missing') return `${path}: there is no folder ${folder}; make it, or correct the path`
  if ('wrong' in found) return found.wrong
  if (!found.isDirectory()) return `${path}: ${folder} is no folder; correct the path`
  return (await may(folder, constants.W_OK | constants.X_OK)) || `${path} is not there, and this user may not make it in ${folder}; make it, or give the user the right to`
}

/** Whether a LUN can be kept at `path`, as far as that shows without opening anything. */
export async function checkPath(path: string): Promise<Verdict> {
  const text = checkText(path)
  if (text !== true) return text
  const found = await look(path)
  if (found === 'missing') return checkFolder(path)
  if ('wrong' in found) return found.wrong
  if (!found.isFile() && !found.isBlockDevice()) {
    const kind = kinds.find(([is]) => is(found))?.[1] ?? 'something else'
    return `${path} is ${kind}; a LUN is kept in a regular file or on a block device`
  }
  return (await may(path, constants.R_OK)) || `${path} cannot be read by this user; change its owner or mode, or run the host as another user`
}
