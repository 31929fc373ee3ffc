export { type HandlerHost, type HandlerHostState } from './handler-host'
export { RemoteKernelDevice } from './remote-kernel-device'
export { parsePlacement, type Placement, type PlacementChoices, placementOf, placements } from './placement'
export { Supervisor, type SupervisorOptions } from './supervisor'
