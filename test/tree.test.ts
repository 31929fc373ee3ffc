import { readFileSync } from 'node:fs'
import { inRepository, trackedFiles } from './lib/repository'

/** Folders that exist on one machine only, and hosts that packages come from; written so that this file passes itself. */
const leaks: readonly [what: string, pattern: RegExp][] = [
  ['a home folder', /(?<![\w.])\/(?:home|Users)\/[a-z][\w-]*\//i],
  ['a folder of one machine', /(?<![\w.-])\/(?:work|root|mnt|builds)\/[\w.-]+/],
  ['a registry host', /\b(?:registry|npm|nexus|artifactory|verdaccio)[.-][\w-]+\.(?:org|com|net|io|local|internal|corp)\b/i],
]
const isText = (bytes: Buffer): boolean => !bytes.includes(0)

function leaksOf(path: string): string[] {
  const bytes = readFileSync(inRepository(path))
  if (!isText(bytes)) return []
  return bytes.toString('utf8').split('\n').flatMap((line, i) =>
    leaks.filter(([, pattern]) => pattern.test(line)).map(([what]) => `${path}:${i + 1} names ${what}: ${line.trim().slice(0, 120)}`))
}

describe('what is under version control', () => {
  const tracked = trackedFiles()

  test('there is something to check', () => {
    expect(tracked).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'LICENSE', 'README.md']))
  })

  test('names no machine and no package registry', () => {
    expect(tracked.flatMap(leaksOf)).toEqual([])
  })

  test('holds no build output', () => {
    expect(tracked.filter((path) => /(^|\/)(node_modules|dist|build|var)\/|\.(node|tsbuildinfo|tgz)$/.test(path))).toEqual([])
  })

  test('the lock file has no download addresses', () => {
    const { packages } = JSON.parse(readFileSync(inRepository('package-lock.json'), 'utf8')) as
      { packages: Record<string, { resolved?: string; link?: boolean; integrity?: string }> }
    const addressed = Object.entries(packages).filter(([, p]) => p.resolved !== undefined && !p.link)
    expect(addressed.map(([name, p]) => `${name} ${p.resolved}`)).toEqual([])
    expect(readFileSync(inRepository('.npmrc'), 'utf8')).toMatch(/^omit-lockfile-registry-resolved=true$/m)
  })

  test('every locked package is pinned by its content', () => {
    const { packages } = JSON.parse(readFileSync(inRepository('package-lock.json'), 'utf8')) as
      { packages: Record<string, { link?: boolean; integrity?: string; inBundle?: boolean }> }
    const loose = Object.entries(packages).filter(([name, p]) => name.includes('node_modules/') && !p.link && !p.inBundle && !p.integrity)
    expect(loose.map(([name]) => name)).toEqual([])
  })
})

test.each([
  ['cd /' + 'home/someone/tcmu'], ['see /' + 'work/thing'], ['https://registry' + '.example.com/x'],
])('the checker finds %s', (line) => {
  expect(leaks.some(([, pattern]) => pattern.test(line))).toBe(true)
})
test.each([['/var/lib/tcmu/handlers'], ['./work/x'], ['127.0.0.1:3260'], ['a/home/b'], ['libiscsi 1.10.0']])('the checker passes %s', (line) => {
  expect(leaks.some(([, pattern]) => pattern.test(line))).toBe(false)
})
