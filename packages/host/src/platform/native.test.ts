import { loadNative, type NativeCore } from '.'

test('a missing addon says how to build it', () => {
  expect(() => loadNative(() => { throw new Error('No native build was found for platform=linux\nloaded from: /x') }))
    .toThrow('E_ADDON_MISSING: the native addon is not built: No native build was found for platform=linux. Run `npm run build:native`')
})

test('an addon of another version is refused by both numbers', () => {
  expect(() => loadNative(() => ({ abiVersion: 0 }) as NativeCore))
    .toThrow(/E_ADDON_VERSION: the native addon speaks version 0, this host needs \d+/)
})
