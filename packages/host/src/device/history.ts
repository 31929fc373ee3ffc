import type { History, SelfTest, SelfTests, Statistics } from '../scsi'
import { selfTestResult } from '../scsi/log-pages/self-test'
import { type Counters, since } from './statistics'

/** The log holds twenty of them (SPC-4 7.3.21). */
const MOST = 20
const HOUR_MS = 3_600_000

/** Self-tests of one device, since it was opened. */
class SelfTestLog implements SelfTests {
  background: SelfTests['background']
  private readonly tests: SelfTest[] = []
  private readonly opened = performance.now()

  get log(): readonly SelfTest[] {
    return this.tests
  }

  clear(): void {
    this.tests.length = 0
  }

  begin(code: number): SelfTest {
    const hours = Math.min(0xffff, Math.floor((performance.now() - this.opened) / HOUR_MS))
    const test: SelfTest = { code, number: 0, result: selfTestResult.IN_PROGRESS, hours }
    this.tests.unshift(test)
    this.tests.length = Math.min(this.tests.length, MOST)
    return test
  }
}

/** What a device tells of its past; the counters that operators see are not set back with it. */
export class DeviceHistory implements History {
  readonly selfTests = new SelfTestLog()
  private start: Counters

  constructor(private readonly counters: Counters) {
    this.start = { ...counters }
  }

  get statistics(): Statistics {
    return since(this.counters, this.start)
  }

  reset(): void {
    this.start = { ...this.counters }
    this.selfTests.clear()
  }
}
