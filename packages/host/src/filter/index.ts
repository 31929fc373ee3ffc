/** What filters import: `@tcmu/host/filter`. */
export { type Filters, filtersOf, withFilters } from './apply'
export { checkFilter, defineFilter } from './define'
export { FILTER_NAME_PATTERN, type FilterManifest, filterManifestSchema } from './manifest'
export { type FilterText, formatFilters, MOST_FILTERS, parseFilters, readFilters } from './text'
export * from './types'
export { FILTER_API_VERSION } from './version'
export { Status } from '../scsi/status'
export { Segments } from '../wire'
