export * from './abi'
export * from './command'
export * from './ring'
export * from './producer'
