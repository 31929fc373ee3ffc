import fc from 'fast-check'
import { type Place, placeOf, specOf } from './place'

const base: Place = { pool: 'rbd', namespace: '', image: 'a', snapshot: '', osdOpTimeout: undefined, conf: '', id: '', unknown: [] }

test.each<[string, Partial<Place>]>([
  ['rbd/a', {}],
  ['/rbd/a', {}],
  ['rbd/a;', {}],
  ['p/ns/a', { pool: 'p', namespace: 'ns' }],
  ['/p/ns/a@s', { pool: 'p', namespace: 'ns', snapshot: 's' }],
  ['rbd/a@snap;id=tcmu', { snapshot: 'snap', id: 'tcmu' }],
  ['rbd/a;conf=/etc/ceph/b.conf;osd_op_timeout=40;id=x', { conf: '/etc/ceph/b.conf', osdOpTimeout: 40, id: 'x' }],
  ['rbd/a;conf=/a=b', { conf: '/a=b' }],
  ['rbd/a;colour=red;;size=3', { unknown: ['colour', 'size'] }],
  ['rbd/a;toString=1', { unknown: ['toString'] }],
])('%s', (config, expected) => expect(placeOf(config)).toEqual({ ...base, ...expected }))

test.each([
  ['', /pool and image are missing; write rbd\/POOL\/IMAGE/],
  ['rbd', /'rbd' is no pool and image/],
  ['rbd/', /'rbd\/' is no pool/],
  ['//a', /no pool and image/],
  ['a/b/c/d', /no pool and image/],
  ['rbd/@s', /'@s' is no image/],
  ['rbd/a@', /write IMAGE, or IMAGE@SNAPSHOT/],
  ['rbd/a@b@c', /is no image/],
  ['rbd/a;conf', /conf has no value; write conf=VALUE/],
  ['rbd/a;id=', /id has no value/],
  ['rbd/a;conf=ceph.conf', /conf=ceph.conf is not an absolute path/],
  ['rbd/a;osd_op_timeout=0', /osd_op_timeout=0 is no number of seconds from 1/],
  ['rbd/a;osd_op_timeout=1.5', /no number of seconds/],
  ['rbd/a;id=client.admin', /write the name without client., id=admin/],
  ['rbd/a;id=a;id=b', /id is given twice/],
  ['rbd/a\0', /zero byte/],
])('%j is refused', (config, sentence) => expect(placeOf(config)).toEqual({ wrong: expect.stringMatching(sentence) as string }))

const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/)
const place = fc.record({
  pool: name, namespace: fc.oneof(fc.constant(''), name), image: name, snapshot: fc.oneof(fc.constant(''), name),
  osdOpTimeout: fc.option(fc.integer({ min: 1, max: 86_400 }), { nil: undefined }), conf: fc.oneof(fc.constant(''), name.map((n) => `/etc/${n}`)),
  id: fc.oneof(fc.constant(''), name.filter((n) => !n.startsWith('client.'))),
})

test('what is written is read', () => {
  fc.assert(fc.property(place, fc.boolean(), (p, slash) => {
    const options = [p.osdOpTimeout && `osd_op_timeout=${p.osdOpTimeout}`, p.conf && `conf=${p.conf}`, p.id && `id=${p.id}`].filter(Boolean)
    expect(placeOf([`${slash ? '/' : ''}${specOf({ ...p, unknown: [] })}`, ...options].join(';'))).toEqual({ ...p, unknown: [] })
  }))
})

test('any text is a place with names, or refused with a sentence', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom('/', ';', '@', '=', 'conf=', 'id=', 'osd_op_timeout='), fc.string({ maxLength: 5 }))).map((p) => p.join(''))
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), pieces), (text) => {
    const read = placeOf(text)
    if ('wrong' in read) return read.wrong.length > 10
    return read.pool !== '' && read.image !== '' && ![read.pool, read.namespace].some((n) => /[/;\0]/.test(n)) && !/[/;@\0]/.test(read.image)
  }))
})
