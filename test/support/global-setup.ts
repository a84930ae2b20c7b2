import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from './container-engine.ts';
import { endMarked, RUN_MARK } from './processes.ts';

/** Builds what the end-to-end tests run; afterwards sees to it that the tests have left nothing running. */
export default async function setup(): Promise<() => Promise<void>> {
  if (!process.env.CLAWMESH_TEST_SKIP_BUILD) {
    execFileSync(process.execPath, ['scripts/build.ts', '--if-changed'], { stdio: 'inherit' });
  }
  const folder = mkdtempSync(join(tmpdir(), 'cm-'));
  const mark = randomUUID();
  process.env.CLAWMESH_TEST_FOLDER = folder;
  process.env[RUN_MARK] = mark;
  const engine = process.env.CLAWMESH_TEST_CONTAINER ? await startEngine() : undefined;
  return async () => {
    await engine?.stop();
    const left = await endMarked({ name: RUN_MARK, value: mark });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    if (left.length === 0) return;
    console.error(`tests left processes running, which were killed:\n${left.join('\n')}`);
    process.exitCode = 1;
  };
}
