export { type HandlerHostState } from './handler-host'
export { parsePlacement, type Placement, type PlacementChoices, placementOf, placements } from './placement'
export { Supervisor, type SupervisorOptions } from './supervisor'
