export * from './fields'
export * from './layout'
export * from './segments'
