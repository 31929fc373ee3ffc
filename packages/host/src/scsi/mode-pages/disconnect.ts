import { bits, layout, skip, u16be, u8 } from '../../wire'
import { modePage } from './page'

/** SPC-4 7.5.10, after the page header. */
const DisconnectReconnect = layout('disconnect_reconnect', {
  bufferFullRatio: u8,
  bufferEmptyRatio: u8,
  busInactivityLimit: u16be,
  disconnectTimeLimit: u16be,
  connectTimeLimit: u16be,
  maximumBurst: u16be,
  flags: bits(u8, { emdp: 7, fairArbitration: [6, 4], dimm: 3, dtdc: [2, 0] }),
  reserved: skip(1),
  firstBurst: u16be,
}, { size: 14 })

/** Mode page 02h: no limits; what iSCSI has of them is negotiated at login (RFC 7143 13). */
export const disconnectReconnect = modePage(0x02, 'Disconnect-Reconnect', DisconnectReconnect, {})
