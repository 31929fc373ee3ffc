import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { npmSpec, parsePackageText } from './package-text'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tcmu-text-')))
mkdirSync(join(folder, 'pkg'))
mkdirSync(join(folder, 'empty'))
writeFileSync(join(folder, 'pkg/package.json'), '{}')
for (const name of ['a.tgz', 'b.tar.gz', 'c.zip']) writeFileSync(join(folder, name), '')
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['tcmu-handler-ram', 'tcmu-handler-ram'], ['@scope/x', '@scope/x'], ['x@1.2.3', 'x@1.2.3'], ['@scope/x@^1.2 || 2', '@scope/x@^1.2 || 2'], ['x@latest', 'x@latest'],
  ['./pkg', join(folder, 'pkg')], ['a.tgz', join(folder, 'a.tgz')], ['./b.tar.gz', join(folder, 'b.tar.gz')], [`${folder}/pkg/`, join(folder, 'pkg')], ['pkg/../a.tgz', join(folder, 'a.tgz')],
])('%s is %s for npm', (text, spec) => expect(npmSpec(parsePackageText(text, folder))).toBe(spec))

test.each([
  ['', /name of a package/], ['--global', /name of a package/], ['-g', /name of a package/], ['pkg/', /name of a package/], ['user/repo', /name of a package/], ['x@', /neither a range/],
  ['x@npm:y', /neither a range/], ['x@file:../y', /neither a range/], ['git+ssh://host/x', /name of a package/], ['https://host/x.tgz', /name of a package/], ['x@--tag', /neither a range/],
  ['./none', /no such file/], ['./a.tgz/@', /not a directory/], [`./${'n'.repeat(300)}`, /too long/], ['./c.zip', /no \.tgz/], ['./empty', /no package\.json/], ['..', /no package\.json/], ['x;y', /name of a package/], ['.hidden', /name of a package/], ['./a\0', /no text/],
])('%j is refused', (text, reason) => {
  expect(() => parsePackageText(text, folder)).toThrow(expect.objectContaining({ code: 'E_PACKAGE_TEXT', message: expect.stringMatching(reason) }))
})

test('any text is a name, a path that is there, or E_PACKAGE_TEXT; none is an option or an address for npm', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom('@', '/', './', '..', ':', 'git+', 'npm:', 'pkg', 'a.tgz', '-', '--', '^1', 'x', ' ', '#', '\0'), fc.string({ maxLength: 4 })), { maxLength: 6 })
  fc.assert(fc.property(fc.oneof(pieces.map((p) => p.join('')), fc.string()), (text) => {
    let spec: string
    try {
      spec = npmSpec(parsePackageText(text, folder))
    } catch (e) {
      expect((e as { code: string }).code).toBe('E_PACKAGE_TEXT')
      return
    }
    expect(spec).toMatch(/^(\/|(@[\w~][\w.~-]*\/)?[\w~][\w.~-]*(@[^:#/]*)?$)/)
  }), { numRuns: 3000 })
})
