import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 30_000, hookTimeout: 60_000, environment: 'node' as const };

const inTurn = { fileParallelism: false, testTimeout: 120_000 };
const OPENCLAW = ['test/e2e/openclaw.test.ts', 'test/e2e/gateway-failover.test.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // One for each project: they wait more than they work.
    maxWorkers: 3,
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
      // These start many processes each; one file at a time keeps their clocks honest on two cores. Those with the real
      // OpenClaw mostly wait for it, and go beside the others.
      {
        test: { ...shared, ...inTurn, name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: OPENCLAW },
      },
      {
        test: { ...shared, ...inTurn, name: 'openclaw', include: OPENCLAW },
      },
    ],
  },
});
