import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { BY_TEST } from './units.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What hangs because of a mutant is noticed by then; without one each step takes a small part of this. */
const HANG_MS = 40_000;

/** The first failure ends a run: those that take long come last. */
class ShortFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const long = ({ moduleId }: TestSpecification) => Number(BY_TEST.test(relative(root, moduleId)));
    return files.toSorted((a, b) => long(a) - long(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

/** The tests that mutants are tried on (`npm run mutants`), one after the other in one thread. */
export default defineConfig({
  root,
  test: {
    environment: 'node',
    include: ['test/{domain,explore,queue,registry,redis,node}/**/*.test.ts'],
    setupFiles: ['test/mutants/overlay.ts'],
    pool: 'threads',
    isolate: false,
    fileParallelism: false,
    maxWorkers: 1,
    bail: 1,
    sequence: { sequencer: ShortFirst },
    watch: false,
    reporters: [{}],
    testTimeout: HANG_MS,
    hookTimeout: HANG_MS,
    expect: { poll: { timeout: HANG_MS / 2, interval: 20 } },
  },
});
