export { StateFile, StateFileError } from './state-file'
export { ModeFile } from './mode-file'
