import { type Stats, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import validRange from 'semver/ranges/valid'
import { quote, reasonOf, tcmuError } from '../errors'
import { isPackageName } from '../plugins'

/** What `install` is given: a package of the registry, or a file or folder of this machine. */
export type PackageText =
  | { readonly kind: 'name'; readonly name: string; readonly range: string | undefined }
  | { readonly kind: 'path'; readonly path: string }

const TARBALL = /\.(tgz|tar\.gz)$/
const TAG = /^[A-Za-z][\w.-]*$/
const MAX_TEXT = 4096

const isPath = (text: string): boolean => /^\.{0,2}\//.test(text) || /^\.{1,2}$/.test(text) || (TARBALL.test(text) && !text.includes(':'))

function pathIn(text: string, at: string): PackageText {
  const path = resolve(at, text)
  const wrong = (reason: string): Error => tcmuError('E_PACKAGE_TEXT', { text: quote(text), reason })
  // A file in the place of a folder, a name that is too long, a folder that may not be looked into: these throw.
  const look = (file: string): Stats | undefined => {
    try {
      return statSync(file, { throwIfNoEntry: false })
    } catch (e) {
      throw wrong(reasonOf(e))
    }
  }
  const stat = look(path)
  if (!stat) throw wrong('there is no such file or folder')
  if (stat.isFile() && TARBALL.test(path)) return { kind: 'path', path }
  if (!stat.isDirectory()) throw wrong('it is no folder, and no .tgz or .tar.gz')
  if (!look(join(path, 'package.json'))?.isFile()) throw wrong('the folder has no package.json')
  return { kind: 'path', path }
}

/** Read NAME, NAME@RANGE, a tarball or a folder, relative to `at`. Throws E_PACKAGE_TEXT; addresses are none of these. */
export function parsePackageText(text: string, at: string = process.cwd()): PackageText {
  const wrong = (reason: string): Error => tcmuError('E_PACKAGE_TEXT', { text: quote(text), reason })
  if (text.includes('\0') || text.length > MAX_TEXT) throw wrong('it is no text for a path or a name')
  if (isPath(text)) return pathIn(text, at)
  const cut = text.indexOf('@', 1)
  const name = cut < 0 ? text : text.slice(0, cut)
  const range = cut < 0 ? undefined : text.slice(cut + 1)
  if (!isPackageName(name) || /^[.-]/.test(name)) throw wrong(`${quote(name)} is not the name of a package, and a path begins with ./ or /`)
  if (range !== undefined && (range === '' || (validRange(range) === null && !TAG.test(range)))) throw wrong(`${quote(range)} is neither a range of versions nor a tag`)
  return { kind: 'name', name, range }
}

/** As npm is given it. */
export const npmSpec = (p: PackageText): string => (p.kind === 'path' ? p.path : p.range === undefined ? p.name : `${p.name}@${p.range}`)
