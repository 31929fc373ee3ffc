/** RFC 7143 4.2.7: iqn., eui. and naa. names of at most 223 bytes. */
const MAX_NAME = 223
const FORMS = [
  /^iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[^\s\x00-\x2c\x2f\x3b-\x60\x7b-\x7f]+)?$/,
  /^eui\.[0-9a-f]{16}$/,
  /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/,
]

/** Names compare without case: they are lower case after stringprep (RFC 7143 4.2.7.2). */
export const normalName = (name: string): string => name.normalize('NFKC').toLowerCase()

export const isIscsiName = (name: string): boolean => Buffer.byteLength(name) <= MAX_NAME && FORMS.some((form) => form.test(name))

/** What we let an initiator call itself: initiators in the field are less strict than the standard. */
export const isUsableName = (name: string): boolean => name.length > 0 && Buffer.byteLength(name) <= MAX_NAME && /^[^\s\x00-\x1f\x7f,]+$/.test(name)
