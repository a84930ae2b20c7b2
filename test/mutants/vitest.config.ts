import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What hangs because of a mutant is noticed by then; without one each step takes a small part of this. */
const HANG_MS = 40_000;

/** The tests that mutants are tried on (`npm run mutants`), one after the other in one thread. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    environment: 'node',
    include: ['test/{domain,explore,queue,registry,redis,node}/**/*.test.ts'],
    setupFiles: ['test/mutants/overlay.ts'],
    pool: 'threads',
    isolate: false,
    fileParallelism: false,
    maxWorkers: 1,
    bail: 1,
    watch: false,
    reporters: [{}],
    testTimeout: HANG_MS,
    hookTimeout: HANG_MS,
    expect: { poll: { timeout: HANG_MS / 2, interval: 20 } },
  },
});
