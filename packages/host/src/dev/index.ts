export { type DevOptions, DevSession } from './session'
export { handlersIn } from './generation'
export { type Traced, traced } from './traced'
