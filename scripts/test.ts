import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// `npm test`: check, build, all tests, a short slice of the bench; ends with one plain line of counts. Arguments go to
// vitest, and then only the tests they name run.
const filters = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'clawmesh-test-'));
const countsFile = join(folder, 'counts.json');
const env = { ...process.env, CLAWMESH_TEST_COUNTS: countsFile };
const steps: boolean[] = [];

function run(name: string, command: string, args: string[]): boolean {
  console.log(`\n── ${name}`);
  const ok = spawnSync(command, args, { stdio: 'inherit', env }).status === 0;
  if (!ok) console.log(`── ${name} failed`);
  return ok;
}

if (filters.length === 0) {
  steps.push(run('check', 'npm', ['run', '--silent', 'check']));
  steps.push(run('openclaw', 'scripts/setup', ['--openclaw']));
}
const testsOk = run('tests', 'vitest', ['run', ...filters]);
if (filters.length === 0) {
  steps.push(run('chaos slice', 'node', ['test/chaos/chaos.ts', '--minutes', '0.5', '--seed', '7']));
  steps.push(
    run('bench slice', 'node', ['bench/throughput.ts', '--rounds', '1', '--tasks', '3000', '--concurrency', '10']),
  );
}

// Every test counts, and each of the other steps counts as one.
const counts = readCounts();
rmSync(folder, { recursive: true, force: true });
const passed = counts.passed + steps.filter((ok) => ok).length;
const failed = Math.max(counts.failed, testsOk ? 0 : 1) + steps.filter((ok) => !ok).length;
console.log(`\n${passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;

function readCounts(): { passed: number; failed: number; skipped: number } {
  try {
    return JSON.parse(readFileSync(countsFile, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
