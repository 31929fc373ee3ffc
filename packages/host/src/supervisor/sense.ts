import { DescriptorSense, FixedSense, sam, Status, statusTable } from '../scsi'

const DESCRIPTOR = 0x72
const keyAndCode = (key: number, asc: number): number => key * 0x10000 + asc

/** Statuses by what they are on the wire; the first row of a meaning wins. */
const byMeaning = new Map<number, Status>()
const bySam = new Map<number, Status>()
for (const row of statusTable) {
  const status = Status[row.name]
  if (status === Status.NOT_HANDLED) continue
  if (row.sense === 'task') continue
  if (row.sense) {
    const meaning = keyAndCode(row.sense.key, row.sense.code.asc)
    if (!byMeaning.has(meaning)) byMeaning.set(meaning, status)
  } else if (!bySam.has(row.sam)) bySam.set(row.sam, status)
}

/** The status that a SAM status and sense data stand for; undefined when none of ours says the same. */
export function statusOfAnswer(status: number, senseData: Uint8Array): Status | undefined {
  if (status !== sam.CHECK_CONDITION) return bySam.get(status)
  const { key, asc } = ((senseData[0]! & 0x7e) === DESCRIPTOR ? DescriptorSense : FixedSense).decode(senseData)
  return byMeaning.get(keyAndCode(key, asc))
}
