import { bits, layout, skip, u16be, u64be, u8 } from '../../wire'
import { logPage, parameterFormat } from './page'

/** SPC-4 7.3.21, SELF-TEST RESULTS field. */
export const selfTestResult = { PASSED: 0, ABORTED_BY_COMMAND: 1, UNKNOWN_ERROR: 3, FAILED: 7, IN_PROGRESS: 0xf } as const

const Result = layout('self_test_result', {
  how: bits(u8, { code: [7, 5], result: [3, 0] }), number: u8, hours: u16be, address: u64be, key: skip(1), asc: skip(2), vendor: skip(1),
}, { size: 16 })
const MOST = 20
/** No address of a failure is known. */
const NO_ADDRESS = new Uint8Array(u64be.size).fill(0xff)

/** Log page 10h: the last twenty self-tests, the latest first; entries that are not there are zero. */
export const selfTestResults = logPage({
  code: 0x10, name: 'Self-Test Results',
  parameters: (lun) => Array.from({ length: MOST }, (_, i) => {
    const test = lun.history!.selfTests.log[i]
    const value = test ? Result.encode({ code: test.code, result: test.result, number: test.number, hours: test.hours }) : new Uint8Array(Result.size)
    if (test) value.set(NO_ADDRESS, Result.at.address)
    return { code: i + 1, format: parameterFormat.BINARY_LIST, value }
  }),
})
