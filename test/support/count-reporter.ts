import { writeFileSync } from 'node:fs';
import type { TestModule } from 'vitest/node';

/** Writes how many tests passed, failed and were skipped, for the one plain line that CI reads. */
export default class CountReporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') counts.failed++;
        else counts.skipped++;
      }
    }
    const file = process.env.CLAWMESH_TEST_COUNTS;
    if (file) writeFileSync(file, JSON.stringify(counts));
  }
}
