import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STATE_FILES } from '../../src/config/state-files.ts';
import { madeToken } from '../../src/ops/http/made-token.ts';
import { PrivateServer } from '../../src/redis/private-server.ts';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh } from '../support/process-mesh.ts';

/** Entries of these folders are described by the folder. */
const CONTENT = ['outcomes', 'discarded', 'broken', 'submissions', 'privateRedis'] as const;

const pattern = (path: string) => path.replace(/[.]/g, '\\.').replace(/<[\w ]+>/g, '[^/]+');
const known = [
  ...Object.values(STATE_FILES).map(({ path }) => pattern(path)),
  ...CONTENT.map((name) => `${pattern(STATE_FILES[name].path)}/(?:[^/]+\\.json|appendonlydir.*)`),
].map((text) => new RegExp(`^${text}$`));
/** A folder that only leads to a known one. */
const leads = (path: string) =>
  Object.values(STATE_FILES).some((file) => new RegExp(`^${path}/`).test(file.path.replace('<node id>', 'mac-1')));

describe('the table of state files', () => {
  const home = emptyFolder();
  let mesh: ProcessMesh;
  let server: PrivateServer;

  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
    await mesh.startNode('mac-1', { env: { CLAWMESH_HOME: home } });
    server = await PrivateServer.start('m', { ...process.env, CLAWMESH_HOME: home });
    madeToken('m', { CLAWMESH_HOME: home });
  });
  afterAll(async () => {
    await server.stop();
    await mesh.stop();
  });

  it('names every file and folder that a node, a private server and a dashboard keep', () => {
    const folder = join(home, 'm');
    const found = readdirSync(folder, { recursive: true, withFileTypes: true })
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .sort();
    expect(found.length).toBeGreaterThan(6);
    expect(found.filter((path) => !leads(path) && !known.some((one) => one.test(path)))).toEqual([]);
  });
});
