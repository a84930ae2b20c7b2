import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const shared = { testTimeout: 30_000, hookTimeout: 60_000, environment: 'node' as const };

/** End-to-end tests in which nobody's lease can lapse because the machine is busy. */
const PATIENT = [
  'ansible',
  'dashboard-access',
  'doctor',
  'mesh',
  'package',
  'redis-acl',
  'service',
  'signed-tasks',
  'top',
].map((name) => `test/e2e/${name}.test.ts`);

/** Takes longer than all others of its group together, and would else begin after some of them. */
const LONGEST = 'ansible.test.ts';

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLongest = (file: TestSpecification) => Number(file.moduleId.endsWith(LONGEST));
    return (await super.sort(files)).sort((a, b) => isLongest(b) - isLongest(a));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          maxWorkers: 2,
        },
      },
      {
        // As many workers as the others, so that those run beside the longest of these.
        test: { ...shared, name: 'e2e-patient', include: PATIENT, maxWorkers: 2, testTimeout: 300_000 },
      },
      {
        // These start many processes each; one file at a time keeps their clocks honest on two cores.
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: PATIENT,
          fileParallelism: false,
          testTimeout: 120_000,
        },
      },
    ],
  },
});
