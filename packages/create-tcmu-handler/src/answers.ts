import { basename } from 'node:path'

/** What a package is made from. */
export interface Answers {
  /** Folder to make. */
  readonly folder: string
  /** npm's name of the package. */
  readonly name: string
  /** First part of cfgstrings. */
  readonly subtype: string
  readonly shape: Shape
  readonly language: Language
}
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

export interface Question<T extends string = string> {
  readonly key: keyof Answers
  readonly text: string
  /** When nothing is answered, from what is known by then. */
  initial(known: Partial<Answers>): T
  /** The answer, or throws an AnswerError. */
  take(text: string): T
}

const oneOf = <T extends string>(key: keyof Answers, text: string, values: readonly T[]): Question<T> => ({
  key,
  text: `${text} (${values.join(', ')})`,
  initial: () => values[0]!,
  take: (answer) => {
    const found = values.find((v) => v === answer.toLowerCase())
    if (found === undefined) throw new AnswerError(`${key} ${JSON.stringify(answer)} is none of ${values.join(', ')}`)
    return found
  },
})

/** What is left of a name that may stand in a subtype. */
const plain = (text: string): string => text.replace(/^@[^/]*\//, '').replace(/^tcmu-handler-/, '').replace(/[^A-Za-z0-9_]+/g, '_').replace(/^_+|_+$/g, '')

/** In the order they are asked. */
export const questions: readonly Question[] = [
  {
    key: 'folder', text: 'Folder of the new package', initial: () => 'tcmu-handler-example',
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
    key: 'subtype', text: 'Subtype, the first part of its cfgstrings', initial: ({ name = '' }) => plain(name) || 'example',
    take: (text) => {
      if (!subtypeName.test(text)) throw new AnswerError(`subtype ${JSON.stringify(text)} is not 1 to 64 letters, digits and underscores`)
      if (text === 'HandlerManager1') throw new AnswerError('subtype HandlerManager1 is a name of the D-Bus service')
      return text
    },
  },
  oneOf('shape', 'Shape: blocks (you move blocks, the host speaks SCSI) or commands (you answer every command)', shapes),
  oneOf('language', 'Language', languages),
]
