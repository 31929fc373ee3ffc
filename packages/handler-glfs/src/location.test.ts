import fc from 'fast-check'
import { GLUSTERD_PORT, type Location, locationText, parseLocation, type Server } from './location'

const tcp = (host: string, port = GLUSTERD_PORT): Server => ({ transport: 'tcp', host, port })
const unix = (host: string): Server => ({ transport: 'unix', host, port: 0 })

test.each<[string, readonly Server[], string?]>([
  ['vol0@server1/disk0.img', [tcp('server1')]],
  ['/vol0@server1/disk0.img', [tcp('server1')]],
  ['vol0@10.0.0.1:24008/disk0.img', [tcp('10.0.0.1', 24008)]],
  ['vol0@fd00::1/disk0.img', [tcp('fd00::1')]],
  ['vol0@[fd00::1]/disk0.img', [tcp('fd00::1')]],
  ['vol0@[fd00::1]:24008/disk0.img', [tcp('fd00::1', 24008)]],
  ['vol0@::1,server2:7,[::2]:8/disk0.img', [tcp('::1'), tcp('server2', 7), tcp('::2', 8)]],
  ['vol0@[/run/glusterd.socket]/disk0.img', [unix('/run/glusterd.socket')]],
  ['vol0@[/run/a,b],server1/disk0.img', [unix('/run/a,b'), tcp('server1')]],
  ['vol0@server1//folder/disk@1,2:3.img', [tcp('server1')], 'folder/disk@1,2:3.img'],
])('%s', (text, servers, path = 'disk0.img') => {
  expect(parseLocation(text)).toEqual({ volume: 'vol0', servers, path })
})

test.each([
  ['', /host is missing; write glfs\/VOLUME@HOST\/FILE/],
  ['vol0', /host is missing/],
  ['@server1/disk', /volume is missing/],
  ['vol/0@server1/disk', /'vol\/0' cannot be a volume/],
  ['vol0@/disk', /host is missing/],
  ['vol0@server1', /file is missing/],
  ['vol0@server1/', /file is missing/],
  ['vol0@server1//', /file is missing/],
  ['vol0@server1/folder/', /ends in a slash; name a file/],
  ['vol0@server1:0/disk', /'0' is no port/],
  ['vol0@server1:65536/disk', /'65536' is no port/],
  ['vol0@server1:/disk', /'' is no port/],
  ['vol0@fd00::1:x/disk', /neither a host name nor an address/],
  ['vol0@[server1]/disk', /neither a host name nor an address/],
  ['vol0@[fd00::1/disk', /neither a host name|'\[fd00::1\/disk' follows the host|host is missing/],
  ['vol0@a,,b/disk', /'' is neither/],
  ['vol0@a,/disk', /'' is neither/],
  ['vol0@ser ver/disk', /'ser ver' is neither/],
  ['vol0@[/run/s]:1/disk', /the socket \/run\/s has no port/],
  ['vol0@server1/a\0b', /zero byte/],
])('%j is refused', (text, why) => {
  expect(parseLocation(text)).toMatch(why)
})

const host = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,40}$/)
const port = fc.integer({ min: 1, max: 65535 })
const server = fc.oneof(
  fc.record({ transport: fc.constant('tcp' as const), host: fc.oneof(host, fc.ipV6(), fc.ipV4()), port: fc.oneof(port, fc.constant(GLUSTERD_PORT)) }),
  fc.stringMatching(/^\/[^\]\0]{1,60}$/).map(unix),
)
const location: fc.Arbitrary<Location> = fc.record({
  volume: fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
  servers: fc.array(server, { minLength: 1, maxLength: 4 }),
  path: fc.stringMatching(/^[^/\0]([^\0]{0,40}[^/\0])?$/),
})

test('what is written is read back', () => {
  fc.assert(fc.property(location, (l) => expect(parseLocation(locationText(l))).toEqual(l)))
})

test('any text is a location or refused with a sentence', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom('@', '/', ',', ':', '[', ']', 'vol', '::1', '24007'), fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 12 }).map((p) => p.join(''))
  fc.assert(fc.property(fc.oneof(fc.string(), pieces), (text) => {
    const parsed = parseLocation(text)
    if (typeof parsed === 'string') return parsed.length > 10
    return parsed.volume !== '' && parsed.servers.length > 0 && parsed.path !== '' && parseLocation(locationText(parsed)) !== undefined
  }), { numRuns: 2000 })
})
