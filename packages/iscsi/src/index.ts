export { createPortal, type Portal, type PortalAddress, type SessionInfo } from './portal'
export { defaultLimits, type PortalChap, type PortalLimits, type PortalLog, type PortalOptions } from './options'
export { PortalError, portalErrors, type PortalErrorCode } from './errors'
