import type { ZoneList } from '../device'
import { zoneMap, zoneTable } from './zones'

const list: ZoneList = {
  name: 'z0', blockSize: 512,
  zones: [
    { start: 0, length: 2048, type: 1, condition: 0 },
    { start: 2048, length: 2048, type: 2, condition: 1, writePointer: 2048 },
    { start: 4096, length: 2048, type: 2, condition: 2, writePointer: 4097 },
    { start: 6144, length: 2048, type: 2, condition: 4, writePointer: 8191 },
    { start: 8192, length: 2048, type: 3, condition: 0xe, writePointer: 10240, nonSequential: true },
    { start: 10240, length: 2048, type: 2, condition: 0xf },
    { start: 12288, length: 2048, type: 5, condition: 0 },
    { start: 14336, length: 2048, type: 2, condition: 5 },
  ],
}

test('the map has a cell a zone: fuller the more is written, a letter where that says nothing', () => {
  expect(zoneMap(list, 80, false)).toEqual([
    '    0  ▒·▁▇█X -', '', 'z0: 8 zones of 1MiB',
    'conventional 1, empty 1, implicitly open 1, closed 1, full 1, offline 1, gap 1, inactive 1',
  ])
})

test('rows are as wide as the terminal, a power of two, and begin with their LBA', () => {
  const zones = Array.from({ length: 40 }, (_, i) => ({ start: i * 8, length: 8, type: 2, condition: 1, writePointer: i * 8 }))
  expect(zoneMap({ ...list, zones }, 30, false).slice(0, 3).map((l) => [l.slice(0, 3), l.length])).toEqual([['  0', 21], ['128', 21], ['256', 13]])
})

test('colours follow conditions', () => {
  expect(zoneMap(list, 80, true)[0]).toContain('\x1b[31mX\x1b[0m')
})

test('the table says it in words', () => {
  expect(zoneTable(list)).toEqual([
    'ZONE  START  BLOCKS  TYPE                  CONDITION        WRITE POINTER',
    '0     0      2048    conventional          conventional     -',
    '1     2048   2048    sequential required   empty            2048',
    '2     4096   2048    sequential required   implicitly open  4097',
    '3     6144   2048    sequential required   closed           8191',
    '4     8192   2048    sequential preferred  full             10240          out of order',
    '5     10240  2048    sequential required   offline          -',
    '6     12288  2048    gap                   gap              -',
    '7     14336  2048    sequential required   inactive         -',
  ])
})
