import { basename } from 'node:path'

/** What a package is made from. */
export interface Answers {
  /** Folder to make. */
  readonly folder: string
  /** npm's name of the package. */
  readonly name: string
  readonly kind: Kind
  /** First part of cfgstrings, of a handler. */
  readonly subtype: string
  /** What configurations call it, of a filter. */
  readonly filter: string
  /** Of a handler. */
  readonly shape: Shape
  readonly language: Language
}
export const kinds = ['handler', 'filter'] as const
export type Kind = (typeof kinds)[number]
export const shapes = ['blocks', 'commands'] as const
export type Shape = (typeof shapes)[number]
export const languages = ['typescript', 'javascript'] as const
export type Language = (typeof languages)[number]

/** A wrong answer, in words for the person who gave it. */
export class AnswerError extends Error {}

/** npm's own rules for new packages, less what is only allowed for old ones. */
const packageName = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/
const LONGEST_NAME = 214
/** As the host demands it: a cfgstring ends it with a slash, D-Bus makes it part of an object path. */
const subtypeName = /^[A-Za-z0-9_]{1,64}$/
const filterName = /^[a-z][a-z0-9-]{0,63}$/

export interface Question<T extends string = string> {
  readonly key: keyof Answers
  readonly text: string
  /** Left out: of both kinds. */
  readonly of?: Kind
  /** When nothing is answered, from what is known by then. */
  initial(known: Partial<Answers>): T
  /** The answer, or throws an AnswerError. */
  take(text: string): T
}

const oneOf = <T extends string>(key: keyof Answers, text: string, values: readonly T[], of?: Kind): Question<T> => ({
  key,
  ...(of && { of }),
  text: `${text} (${values.join(', ')})`,
  initial: () => values[0]!,
  take: (answer) => {
    const found = values.find((v) => v === answer.toLowerCase())
    if (found === undefined) throw new AnswerError(`${key} ${JSON.stringify(answer)} is none of ${values.join(', ')}`)
    return found
  },
})

/** What is left of a name that may stand in a subtype. */
const plain = (text: string): string => text.replace(/^@[^/]*\//, '').replace(/^tcmu-(handler|filter)-/, '').replace(/[^A-Za-z0-9_]+/g, '_').replace(/^_+|_+$/g, '')
const plainFilter = (text: string): string => plain(text).toLowerCase().replace(/_+/g, '-').replace(/^[^a-z]+/, '').slice(0, 64)

/** In the order they are asked. */
export const questions: readonly Question[] = [
  oneOf('kind', 'A handler (a kind of storage) or a filter (something between the host and any handler)', kinds),
  {
    key: 'folder', text: 'Folder of the new package', initial: ({ kind = 'handler' }) => `tcmu-${kind}-example`,
    take: (text) => {
      if (text.trim() === '') throw new AnswerError('folder: a name is needed')
      return text
    },
  },
  {
    key: 'name', text: 'Name of the package', initial: ({ folder = '' }) => basename(folder).toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[._-]+/, '') || 'tcmu-handler-example',
    take: (text) => {
      if (text.length > LONGEST_NAME || !packageName.test(text)) throw new AnswerError(`name ${JSON.stringify(text)} is no npm package name: lower case letters, digits, and . _ - behind the first`)
      return text
    },
  },
  {
    key: 'subtype', of: 'handler', text: 'Subtype, the first part of its cfgstrings', initial: ({ name = '' }) => plain(name) || 'example',
    take: (text) => {
      if (!subtypeName.test(text)) throw new AnswerError(`subtype ${JSON.stringify(text)} is not 1 to 64 letters, digits and underscores`)
      if (text === 'HandlerManager1') throw new AnswerError('subtype HandlerManager1 is a name of the D-Bus service')
      return text
    },
  },
  {
    key: 'filter', of: 'filter', text: 'Name of the filter in configurations', initial: ({ name = '' }) => plainFilter(name) || 'example',
    take: (text) => {
      if (!filterName.test(text)) throw new AnswerError(`filter ${JSON.stringify(text)} is not a small letter and up to 63 more, digits and dashes`)
      return text
    },
  },
  oneOf('shape', 'Shape: blocks (you move blocks, the host speaks SCSI) or commands (you answer every command)', shapes, 'handler'),
  oneOf('language', 'Language', languages),
]
