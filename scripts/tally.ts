import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Counts } from '../test/support/count-reporter.ts';

/** Runs the steps of `npm test` and `npm run test:all`, and counts: each test is one, each other step is one. */
export class Tally {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };

  /** A command that passes or fails as a whole. */
  async step(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<boolean> {
    const passed = await run(name, command, args, env);
    if (passed) this.counts.passed++;
    else this.#fail(name);
    return passed;
  }

  /** Installs what a group needs; counts only if that fails. */
  async prepare(group: string): Promise<boolean> {
    const installed = await run(`setup of ${group}`, 'sh', ['scripts/setup', group], {});
    if (!installed) this.#fail(`setup of ${group}`);
    return installed;
  }

  /** Vitest with these arguments. A run that ends without having counted anything has failed. */
  async vitest(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'clawmesh-counts-'));
    const file = join(folder, 'counts.json');
    const passed = await run(name, 'vitest', ['run', ...args], { ...env, CLAWMESH_TEST_COUNTS: file });
    const counts = readCounts(file);
    rmSync(folder, { recursive: true, force: true });
    this.counts.passed += counts.passed;
    this.counts.failed += counts.failed;
    this.counts.skipped += counts.skipped;
    this.counts.failures.push(...counts.failures.map((failure) => `${name}: ${failure}`));
    if (!passed && counts.failed === 0) this.#fail(`${name}: ended without a failed test`);
  }

  /** Something that can't run here, with the reason. */
  skip(name: string, why: string): void {
    console.log(`\n── ${name}: skipped, ${why}`);
    this.counts.skipped++;
  }

  /** Prints what failed and the line that CI reads, and sets the exit code. */
  finish(): void {
    const { passed, failed, skipped, failures } = this.counts;
    const list = failures.map((failure) => `✗ ${failure}\n`).join('');
    if (list) console.log(`\n${list.trimEnd()}`);
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
    process.exitCode = failed === 0 ? 0 : 1;
    // `.ci/run` adds up what its commands have counted.
    const sum = process.env.CLAWMESH_TEST_SUM;
    if (sum) appendFileSync(sum, `${list}${passed} ${failed} ${skipped}\n`);
  }

  #fail(what: string): void {
    this.counts.failed++;
    this.counts.failures.push(what);
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
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
}
