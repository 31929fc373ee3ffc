import fc from 'fast-check'
import handler from '.'
import { parseConfig } from './config'
import { BD_ROM, CD_ROM, DVD_ROM, profileOf } from './profiles'
import { type DriveEvent, type DriveState, next, transitions } from './states'

test.each([
  ['/srv/disc.iso', '/srv/disc.iso'],
  ['ro//srv/disc.iso', '/srv/disc.iso'],
  ['RO//srv/disc.iso', '/srv/disc.iso'],
  ['', ''],
])('cfgstring fbo/%s', (text, path) => {
  expect(parseConfig(text)).toEqual({ path })
  expect(handler.checkConfig!(text, undefined)).toBe(true)
})

test.each([
  ['ro/', /path is missing.*fbo\/\/srv/],
  ['disc.iso', /must be absolute; write fbo\/\/disc\.iso/],
  ['rw//disc.iso', /must be absolute/],
  ['/a\0b', /zero byte/],
])('cfgstring fbo/%j is refused', (text, sentence) => {
  expect(handler.checkConfig!(text, undefined)).toMatch(sentence)
})

test('any text is a path, nothing, or refused with a sentence', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
    const verdict = handler.checkConfig!(text, undefined)
    if (verdict !== true) return typeof verdict === 'string' && verdict.length > 10
    const { path } = parseConfig(text) as { path: string }
    return path === '' ? text === '' : path.startsWith('/') && !path.includes('\0')
  }))
})

test.each([
  [1, CD_ROM], [449_849, CD_ROM], [449_850, DVD_ROM], [4_173_824, DVD_ROM], [4_173_825, BD_ROM], [2 ** 32 - 1, BD_ROM], [2 ** 32, undefined],
])('a disc of %d blocks', (blocks, profile) => {
  expect(profileOf(blocks)).toBe(profile)
})

test('the states of the drive, written out', () => {
  const all: Record<DriveState, Partial<Record<DriveEvent, DriveState>>> = {
    open: { close: 'loading' }, empty: { eject: 'open', close: 'loading' }, loading: { found: 'present', nothing: 'empty' }, present: { eject: 'open' },
  }
  expect(transitions).toEqual(all)
  for (const state of Object.keys(all) as DriveState[]) for (const event of ['close', 'eject', 'found', 'nothing'] as const) expect(next(state, event)).toBe(all[state][event])
})
