export { createIoEngine, type IoEngine, type IoEngineOptions } from './engine'
