import { writeFileSync } from 'node:fs';
import type { TestModule } from 'vitest/node';

/** What a run of Vitest counted, for the one plain line that CI reads. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Each failure with its file, title and first line of the reason. */
  readonly failures: string[];
}

/** Writes the counts to the file that `CLAWMESH_TEST_COUNTS` names. */
export default class CountReporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message: string }[]): void {
    const counts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
    const fail = (where: string, reason: string | undefined) => {
      counts.failed++;
      counts.failures.push(`${where}: ${(reason ?? 'no reason given').split('\n', 1)[0]}`);
    };
    for (const error of errors) fail('outside the tests', error.message);
    for (const module of modules) {
      if (module.errors().length > 0) fail(module.relativeModuleId, module.errors()[0]?.message);
      for (const test of module.children.allTests()) {
        const { state, errors: reasons } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') fail(`${module.relativeModuleId} > ${test.fullName}`, reasons[0]?.message);
        else counts.skipped++;
      }
    }
    const file = process.env.CLAWMESH_TEST_COUNTS;
    if (file) writeFileSync(file, JSON.stringify(counts));
  }
}
