import { globSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What hangs, hangs: on a busy machine everything takes several times as long, and no test is about that. */
const HANG_MS = 180_000;

const PARALLEL = ['docs', 'faults', 'placement'].map((group) => `test/groups/${group}/**/*.test.ts`);

/** A mocked module must not be seen by other files, so these files load their modules for themselves. */
const MOCKING = globSync('test/**/*.test.ts').filter((file) => readFileSync(file, 'utf8').includes('vi.mock('));

const shared = {
  environment: 'node' as const,
  setupFiles: ['test/support/setup-file.ts'],
  testTimeout: HANG_MS,
  hookTimeout: HANG_MS,
  // Waits are for something to become true; how long that takes is never the assertion.
  expect: { poll: { timeout: 90_000, interval: 50 } },
  restoreMocks: true,
  unstubEnvs: true,
};

/** Files that mostly wait for processes begin first; the many short ones fill the gaps. */
class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const waits = (file: TestSpecification) => Number(file.moduleId.includes('/test/e2e/'));
    return (await super.sort(files)).sort((a, b) => waits(b) - waits(a));
  }
}

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    sequence: { sequencer: WaitingFirst },
    projects: [
      {
        // `npm test`. Nothing in it depends on the speed of the machine, so files run beside each other. Loading the code
        // afresh for each of them would take more processor time than most files need.
        test: {
          ...shared,
          name: 'core',
          include: ['test/**/*.test.ts'],
          exclude: ['test/groups/**', ...MOCKING],
          isolate: false,
          maxWorkers: 4,
        },
      },
      {
        // `npm test`, too.
        test: { ...shared, name: 'mocks', include: MOCKING, exclude: ['test/groups/**'], maxWorkers: 4 },
      },
      {
        // The groups of `npm run test:all` that are as undemanding.
        test: { ...shared, name: 'parallel', include: PARALLEL, maxWorkers: 4 },
      },
      {
        // `npm run test:all`: one folder a group. Whole machines are installed in some.
        test: {
          ...shared,
          name: 'groups',
          include: ['test/groups/**/*.test.ts'],
          exclude: PARALLEL,
          fileParallelism: false,
          testTimeout: 1_500_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
