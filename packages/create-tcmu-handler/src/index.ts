export { AnswerError, type Answers, type Kind, kinds, type Language, languages, questions, type Shape, shapes } from './answers'
export { filesOf, type NewFile } from './files'
export { writePackage } from './write'
