export { PulledCommand, type PulledKind } from './command'
export { HostDevice, type PullOptions } from './device'
export { pulled, type PulledOptions, PulledState } from './pulled'
