import fc from 'fast-check'
import { TcmuError } from '../errors'
import { parseLun } from '../control/lun'
import { type FilterText, formatFilters, MOST_FILTERS, parseFilters, readFilters } from '.'

const outcome = (parse: () => unknown): unknown => {
  try {
    return parse()
  } catch (e) {
    if (!(e instanceof TcmuError)) throw e
    expect(e.message).toMatch(/^E_FILTER: [^\r\n]{1,900}$/)
    return e.code
  }
}

test.each([
  ['', []],
  ['readonly', [{ name: 'readonly', options: {} }]],
  ['delay:read=5ms:write=2s+readonly', [{ name: 'delay', options: { read: '5ms', write: '2s' } }, { name: 'readonly', options: {} }]],
  ['x:on:off=', [{ name: 'x', options: { on: true, off: '' } }]],
  ['cow:overlay=/a%2Cb%3A%25=c', [{ name: 'cow', options: { overlay: '/a,b:%=c' } }]],
] as const)('%s', (text, value) => expect(parseFilters(text)).toEqual(value))

test.each([
  ['+', /filter "": a name is small letters/], ['Delay', /a name is small letters/], ['delay:', /"" is no name of an option/], ['delay:=1', /"" is no name/],
  ['delay:read=1:read=2', /option "read" is there twice/], ['cow:overlay=%zz', /percent sign that begins no code/], ['cow:overlay=%ff', /percent sign/],
  ['x:__proto__=1', /"__proto__" is no name/], [Array(MOST_FILTERS + 1).fill('log').join('+'), /at most 16 filters/],
])('%s is refused with its reason', (text, reason) => expect(() => parseFilters(text)).toThrow(reason))

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
const options = fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,12}$/), fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(true)), { noNullPrototype: true })
const uses: fc.Arbitrary<FilterText[]> = fc.array(fc.record({ name, options }), { maxLength: 4 })

test('what is put together is taken apart the same, alone and in the text of a LUN', () => {
  fc.assert(fc.property(uses, (some) => {
    const text = formatFilters(some)
    expect(parseFilters(text)).toEqual(some)
    expect(parseLun(`name=a,filters=${text},cfgstring=ram/x,filters=y`)).toMatchObject({ config: 'x,filters=y', filters: some })
    expect(readFilters(some.map((f) => ({ ...f.options, name: f.name })))).toEqual(some.map(({ name, options: { name: _, ...rest } }) => ({ name, options: rest })))
  }))
})

test('any text is a list of filters or E_FILTER, and so is any value', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z:+=%0-9,]{0,40}$/)), (text) => {
    const v = outcome(() => parseFilters(text))
    if (v !== 'E_FILTER') expect(parseFilters(formatFilters(v as FilterText[]))).toEqual(v)
  }))
  fc.assert(fc.property(fc.anything(), (value) => void outcome(() => readFilters(value))))
})

test('a configuration file has texts and objects', () => {
  expect(readFilters(['readonly', { name: 'delay', read: 5 }, 'log+stats'])).toEqual([
    { name: 'readonly', options: {} }, { name: 'delay', options: { read: 5 } }, { name: 'log', options: {} }, { name: 'stats', options: {} },
  ])
  for (const [value, reason] of [[[1], /a filter is a text, or an object/], [[{ read: 1 }], /a name is small letters/], [{ name: 'log' }, /a text, or a list/]] as const) {
    expect(() => readFilters(value)).toThrow(reason)
  }
})
