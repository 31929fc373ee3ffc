export { type IoEngineChoice } from './backend'
export { createIoEngine, type IoEngine, type IoEngineOptions } from './engine'
