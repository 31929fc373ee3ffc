import type { LogicalUnit, LunExtension, Nexus } from '@tcmu/host/scsi'
import { createReservations, type ReservationOptions, type Reservations } from './reservations'
import { fileReservationStore } from './store'

export interface ReservationService extends Omit<ReservationOptions, 'store' | 'onStoreError'> {
  /** Folder of the reservations that outlive the process. Left out: none do, and APTPL is refused. */
  readonly stateDir?: string
  readonly onStoreError?: (lu: LogicalUnit, error: Error) => void
}

/** Reservations for every logical unit of a target: what the target tells of its units and nexuses, passed on. */
export interface ReservationObserver {
  /** Once for each unit, before its first command. Throws a ReservationStoreError. */
  extension(lu: LogicalUnit): LunExtension
  nexusJoined(lu: LogicalUnit, nexus: Nexus): void
  nexusLost(lu: LogicalUnit, nexus: Nexus): void
  reset(lu: LogicalUnit): void
  /** For status displays and tests. */
  of(lu: LogicalUnit): Reservations | undefined
}

export function reservationObserver(service: ReservationService): ReservationObserver {
  const units = new WeakMap<LogicalUnit, Reservations>()
  const { stateDir, onStoreError, ...options } = service
  return {
    extension(lu) {
      const unit = createReservations(lu, {
        ...options,
        ...(stateDir !== undefined && { store: fileReservationStore(stateDir, lu.name) }),
        ...(onStoreError && { onStoreError: (error: Error) => onStoreError(lu, error) }),
      })
      units.set(lu, unit)
      return unit.extension
    },
    nexusJoined: (lu, nexus) => units.get(lu)?.nexusJoined(nexus),
    nexusLost: (lu, nexus) => units.get(lu)?.nexusLost(nexus),
    reset: (lu) => units.get(lu)?.reset(),
    of: (lu) => units.get(lu),
  }
}
