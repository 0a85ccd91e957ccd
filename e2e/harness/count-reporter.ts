import { writeFileSync } from 'node:fs'
import type { FullConfig, Reporter, Suite } from '@playwright/test/reporter'

// Leaves "passed failed skipped" in the file BELFRY_E2E_COUNT for the sum that .ci/test.sh prints.
export default class CountReporter implements Reporter {
  private root?: Suite

  onBegin(_config: FullConfig, root: Suite) {
    this.root = root
  }

  onEnd() {
    const file = process.env.BELFRY_E2E_COUNT
    if (!file || !this.root) return
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const test of this.root.allTests()) {
      const outcome = test.outcome()
      if (outcome === 'skipped') counts.skipped++
      else if (test.ok()) counts.passed++
      else counts.failed++
    }
    writeFileSync(file, `${counts.passed} ${counts.failed} ${counts.skipped}\n`)
  }

  printsToStdio() {
    return false
  }
}
