export * from './device'
export * from './hooks'
export * from './open'
export * from './spec'
