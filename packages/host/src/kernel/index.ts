export { type Roots, systemRoots } from './configfs'
export { tcmuUsable, type Usable } from './setup'
export { type KernelHost, type KernelOptions, kernelSteps, type KernelSteps } from './steps'
