export { createReservations, type NexusInfo, type ReservationOptions, type Reservations } from './reservations'
export { fileReservationStore, type PersistentState, type ReservationStore, ReservationStoreError } from './store'
export { type Key, type Registration, type Reservation, ReservationType, type State } from './types'
export { type ReservationObserver, reservationObserver, type ReservationService } from './observer'
