import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 30_000, hookTimeout: 60_000, environment: 'node' as const };

/** End-to-end tests in which nobody's lease can lapse because the machine is busy. */
const PATIENT = ['doctor', 'service', 'dashboard-access', 'signed-tasks', 'redis-acl', 'package', 'top', 'ansible'].map(
  (name) => `test/e2e/${name}.test.ts`,
);

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
        },
      },
      {
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
