import { builtinModules } from 'node:module'
import { readFileSync } from 'node:fs'
import { complaint, hostRooms, isTest, packageOf, roomOf } from './lib/arrows'
import { filesBelow, inRepository } from './lib/repository'
import { findCycle, type Import, importsOf, target } from './lib/imports'

const isSource = (name: string): boolean => name.endsWith('.ts') && !name.endsWith('.d.ts')
const sources = [
  ...filesBelow('packages', isSource).filter((f) => f.split('/')[2] === 'src'),
  ...filesBelow('native', (n) => n.endsWith('.ts') && !n.endsWith('.d.ts')),
]
const files = new Set(sources)
const imports = sources.flatMap((f) => importsOf(f, readFileSync(inRepository(f), 'utf8')))

const complaints = (list: readonly Import[]): string[] => list.map((i) => complaint(i, files)).filter((c) => c !== undefined)

function graph(list: readonly Import[], name: (file: string) => string): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>()
  for (const i of list) {
    const to = target(i, files)
    if (!to || isTest(i.from) || name(i.from) === name(to)) continue
    edges.set(name(i.from), (edges.get(name(i.from)) ?? new Set()).add(name(to)))
  }
  return edges
}

describe('the arrows of the plan', () => {
  test('there is something to check', () => {
    expect(sources.length).toBeGreaterThan(20)
    expect(imports.length).toBeGreaterThan(40)
  })

  test('no import goes against an arrow', () => {
    expect(complaints(imports)).toEqual([])
  })

  test('the table of rooms has no cycle itself', () => {
    expect(findCycle(new Map(Object.entries(hostRooms).map(([room, to]) => [room, new Set(to)])))).toBeUndefined()
  })

  test('no rooms import each other, types included', () => {
    expect(findCycle(graph(imports.filter((i) => packageOf(i.from) === 'host'), roomOf))).toBeUndefined()
  })

  test('no files import each other at run time', () => {
    expect(findCycle(graph(imports.filter((i) => !i.typeOnly), (f) => f))).toBeUndefined()
  })

  test('every relative import means a file', () => {
    const lost = imports.filter((i) => i.specifier.startsWith('.') && !i.specifier.endsWith('.json') && !files.has(target(i, files)!))
    expect(lost.map((i) => `${i.from}:${i.line} ${i.specifier}`)).toEqual([])
  })
})

interface Manifest { name: string; dependencies?: object; peerDependencies?: object; devDependencies?: object }
const manifestOf = (file: string): Manifest => {
  const folder = file.startsWith('native/') ? 'native' : file.split('/').slice(0, 2).join('/')
  return JSON.parse(readFileSync(inRepository(folder, 'package.json'), 'utf8')) as Manifest
}

test('a package declares every package it imports at run time', () => {
  const undeclared = imports.filter((i) => {
    if (i.typeOnly || i.specifier.startsWith('.') || i.specifier.startsWith('node:') || builtinModules.includes(i.specifier)) return false
    const m = manifestOf(i.from)
    const name = i.specifier.split('/').slice(0, i.specifier.startsWith('@') ? 2 : 1).join('/')
    const developing = isTest(i.from) || i.from.includes('/testing/')
    if (developing && name in (JSON.parse(readFileSync(inRepository('package.json'), 'utf8')) as Required<Manifest>).devDependencies) return false
    return name !== m.name && !(name in { ...m.dependencies, ...m.peerDependencies, ...(developing ? m.devDependencies : {}) })
  })
  expect(undeclared.map((i) => `${i.from}:${i.line} ${i.specifier}`)).toEqual([])
})

describe('the checker itself', () => {
  const at = (from: string, text: string): string[] =>
    importsOf(from, text).map((i) => complaint(i, new Set([...files, from]))).filter((c) => c !== undefined)

  test.each([
    ['packages/host/src/wire/x.ts', `import { sam } from '../scsi'`],
    ['packages/host/src/scsi/x.ts', `import type { Device } from '../device'`],
    ['packages/host/src/scsi/x.ts', `import { tcmuError } from '../errors'`],
    ['packages/host/src/ring/x.ts', `const d = require('../device')`],
    ['packages/host/src/io/x.ts', `export * from '../device'`],
    ['packages/host/src/device/x.ts', `export const load = () => import('@tcmu/native')`],
    ['packages/host/src/device/x.test.ts', `import '@tcmu/native'`],
    ['packages/host/src/device/x.ts', `type N = import('../plugins/registry').Registry`],
    ['packages/host/src/control/x.ts', `import { createHost } from '../host'`],
    ['packages/host/src/testing/x.ts', `import { native } from '../platform/native'`],
    ['packages/host/src/cli.ts', `import { portal } from '../../iscsi/src/portal'`],
    ['packages/host/src/attic/x.ts', `import '../scsi'`],
    ['packages/iscsi/src/x.ts', `import { createHost } from '@tcmu/host'`],
    ['packages/iscsi/src/x.ts', `import '@tcmu/native'`],
    ['packages/handler-file/src/x.ts', `import '@tcmu/host'`],
    ['packages/handler-file/src/x.ts', `import '@tcmu/host/testing'`],
    ['packages/handler-file/src/x.ts', `import '@tcmu/handler-qcow'`],
    ['packages/handler-file/src/x.ts', `import '../../host/src/handler'`],
    ['packages/handler-file/src/x.ts', `import '@tcmu/native/rbd'`],
    ['packages/handler-rbd/src/x.ts', `import '@tcmu/native'`],
    ['packages/handler-rbd/src/x.ts', `import '@tcmu/native/glfs'`],
  ])('finds the planted arrow of %s: %s', (from, text) => {
    expect(at(from, text)).toHaveLength(1)
  })

  test.each([
    ['packages/host/src/scsi/x.ts', `import { layout } from '../wire'`],
    ['packages/host/src/platform/native.ts', `import { addon } from '@tcmu/native'`],
    ['packages/host/src/host.ts', `import './device'; import './plugins/registry'; import './errors'`],
    ['packages/host/src/device/x.test.ts', `import '../testing'`],
    ['packages/iscsi/src/x.ts', `import net from 'node:net'; import { Task } from '@tcmu/host/scsi'; import './pdu'`],
    ['packages/handler-file/src/x.test.ts', `import '@tcmu/host/testing'`],
    ['packages/handler-rbd/src/x.ts', `import { loadRbd } from '@tcmu/native/rbd'`],
  ])('accepts %s: %s', (from, text) => {
    expect(at(from, text)).toEqual([])
  })

  test('finds a cycle and names it', () => {
    expect(findCycle(new Map([['a', new Set(['b'])], ['b', new Set(['c'])], ['c', new Set(['b'])]]))).toEqual(['b', 'c', 'b'])
  })
})
