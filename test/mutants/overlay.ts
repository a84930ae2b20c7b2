import fs, { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { endOwned } from '../support/processes.ts';

// Stands before every test file of a mutants' run: what `redis/scripts.ts` reads is not the file but the text that the file
// named by CLAWMESH_LUA_OVERLAY has for it (JSON: name below src → text). What is shipped knows nothing of this.

const folder = fileURLToPath(new URL('../../src', import.meta.url));
const overlay = process.env.CLAWMESH_LUA_OVERLAY;
if (overlay !== undefined) {
  const texts = new Map<string, string>(Object.entries(JSON.parse(readFileSync(overlay, 'utf8'))));
  const paths = new Map([...texts].map(([name, text]) => [join(folder, name), text]));
  const real = fs.readFileSync;
  const read = (path: fs.PathOrFileDescriptor, ...rest: unknown[]): unknown =>
    (path instanceof URL ? paths.get(fileURLToPath(path)) : undefined) ?? Reflect.apply(real, fs, [path, ...rest]);
  fs.readFileSync = read as typeof fs.readFileSync;
  syncBuiltinESMExports();
}

afterAll(endOwned);
