import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

async function run(name: string, command: string, args: string[]): Promise<boolean> {
  console.log(`\n── ${name}`);
  const [code] = await once(spawn(command, args, { stdio: 'inherit', env }), 'exit');
  if (code !== 0) console.log(`── ${name} failed`);
  return code === 0;
}

if (filters.length === 0) {
  // The one takes the processor, the other the network.
  const [check, setup] = await Promise.all([
    run('check', 'npm', ['run', '--silent', 'check']),
    run('openclaw', 'scripts/setup', ['--openclaw']),
  ]);
  steps.push(check, setup);
}
const testsOk = await run('tests', 'vitest', ['run', ...filters]);
if (filters.length === 0) {
  steps.push(await run('chaos slice', 'node', ['test/chaos/chaos.ts', '--minutes', '0.5', '--seed', '7']));
  const slice = ['bench/run.ts', '--rounds', '1', '--tasks', '3000', '--only', '10, 1 process', '--out', folder];
  steps.push(await run('bench slice', 'node', slice));
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
