import { dhsmr } from './dhsmr'
import { zbc } from './zbc'

/** The handlers of this package; the manifest describes them in the same order. */
export default [zbc, dhsmr]
