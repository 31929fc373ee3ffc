/** What filters import: `@tcmu/host/filter`. */
export { withFilters } from './apply'
export { checkFilter, defineFilter } from './define'
export { type FilterText, formatFilters, parseFilters } from './text'
export * from './types'
export { Status } from '../scsi/status'
export { Segments } from '../wire'
