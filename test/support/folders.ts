import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Everything that one run of the tests puts on disk; `global-setup.ts` makes it and removes it at the end. */
const runFolder = process.env.CLAWMESH_TEST_FOLDER ?? folderOfThisProcess();

/** A fresh folder without a config file in it. Short, since unix sockets in it have a limit of 104 bytes. */
export function emptyFolder(): string {
  return mkdtempSync(join(runFolder, 't-'));
}

/** Where failed tests leave what they saw. */
export const EVIDENCE_FOLDER = process.env.CLAWMESH_TEST_EVIDENCE ?? join(tmpdir(), 'clawmesh-failed');

/** For chaos and bench, which run without vitest. */
function folderOfThisProcess(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cm-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
