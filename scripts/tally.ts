import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs the steps of `npm test` and `npm run test:all`, and counts: each test is one, each other step is one. */
export class Tally {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 };

  /** A command that passes or fails as a whole. */
  async step(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<boolean> {
    const passed = await run(name, command, args, env);
    if (passed) this.counts.passed++;
    else this.counts.failed++;
    return passed;
  }

  /** Installs what a group needs; counts only if that fails. */
  async prepare(group: string): Promise<boolean> {
    const installed = await run(`setup of ${group}`, 'sh', ['scripts/setup', group], {});
    if (!installed) this.counts.failed++;
    return installed;
  }

  /** Vitest with these arguments. A run that ends without having counted anything has failed. */
  async vitest(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'clawmesh-counts-'));
    const file = join(folder, 'counts.json');
    const passed = await run(name, 'vitest', ['run', ...args], { ...env, CLAWMESH_TEST_COUNTS: file });
    const { passed: good, failed: bad, skipped } = readCounts(file);
    rmSync(folder, { recursive: true, force: true });
    this.counts.passed += good;
    this.counts.failed += Math.max(bad, passed ? 0 : 1);
    this.counts.skipped += skipped;
  }

  /** Something that can't run here, with the reason. */
  skip(name: string, why: string): void {
    console.log(`\n── ${name}: skipped, ${why}`);
    this.counts.skipped++;
  }

  /** Prints the line that CI reads and sets the exit code. */
  finish(): void {
    const { passed, failed, skipped } = this.counts;
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
    process.exitCode = failed === 0 ? 0 : 1;
    // `.ci/run` adds up what its commands have counted.
    const sum = process.env.CLAWMESH_TEST_SUM;
    if (sum) appendFileSync(sum, `${passed} ${failed} ${skipped}\n`);
  }
}

async function run(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  const startedAt = performance.now();
  console.log(`\n── ${name}`);
  const child = spawn(command, [...args], { stdio: 'inherit', env: { ...process.env, ...env } });
  // Rejects for a command that could not be started.
  const [code] = await once(child, 'exit').catch((error: Error) => [error.message]);
  const passed = code === 0;
  console.log(`── ${name} ${passed ? 'passed' : 'failed'} in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  return passed;
}

function readCounts(file: string): Counts {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Counts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
