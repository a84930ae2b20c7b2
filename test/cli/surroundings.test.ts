import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnv, entry, HANG_MS, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh } from '../support/process-mesh.ts';

/** What is not there: an entry of the user, a home folder, the working folder, next to all of the environment. */
describe('a command in a bare environment', () => {
  let mesh: ProcessMesh;
  /** A folder that any user may read, with what a command needs: the program and a config. */
  const open = emptyFolder();
  const node = join(open, 'node');
  const config = join(open, 'clawmesh.yaml');
  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
    copyFileSync(realpathSync(process.execPath), node);
    copyFileSync(mesh.config, config);
    chmodSync(node, 0o755);
    chmodSync(config, 0o644);
    for (const path of [open, join(open, '..')]) chmodSync(path, 0o755);
  });
  afterAll(() => mesh.stop());

  const inDeletedFolder = (...args: string[]) => {
    const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"';
    const words = ['-c', script, 'bash', process.execPath, entry, ...args];
    const { status, stdout, stderr } = spawnSync('bash', words, {
      env: cleanEnv(),
      cwd: emptyFolder(),
      timeout: HANG_MS,
    });
    return { code: status, stdout: String(stdout), stderr: String(stderr) };
  };

  it.each([['status'], ['up'], ['dashboard'], ['dashboard', '--link'], ['node', 'run'], ['enqueue', 'x'], ['--help']])(
    'reports in one line that the working folder is gone (%s %s)',
    (...words) => {
      const { code, stderr } = inDeletedFolder('--config', mesh.config, ...words.filter(Boolean));
      expect(stderr).toBe('clawmesh: the working folder no longer exists (cd to another folder)\n');
      expect(code).toBe(2);
    },
  );

  it('prints its version in a deleted working folder', () => {
    expect(inDeletedFolder('--version')).toMatchObject({ code: 0, stderr: '' });
  });

  it('works with an empty environment if the config is named', () => {
    const args = [entry, '--config', mesh.config, 'task', 'list'];
    const { status, stderr } = spawnSync(process.execPath, args, { env: {}, cwd: emptyFolder(), timeout: HANG_MS });
    expect(String(stderr)).toBe('no tasks\n');
    expect(status).toBe(0);
  });

  it('treats an empty HOME or CLAWMESH_HOME as unset, and writes nothing into the working folder', async () => {
    const cwd = emptyFolder();
    const privateRedis = writeConfig('mesh: m\nopenclaw: {mode: simulate}\n');
    const { code, stderr } = await runCli(['--config', privateRedis, 'status'], {
      env: { HOME: '', CLAWMESH_HOME: '' },
      cwd,
    });
    expect(stderr).toMatch(
      /^clawmesh: this user has no home folder, and HOME is not set \(set HOME, or set CLAWMESH_HOME/,
    );
    expect(code).toBe(2);
    expect(execFileSync('ls', ['-A', cwd]).length).toBe(0);
  });

  /** As a user that no list of users has; only root may become one. */
  describe.skipIf(process.getuid?.() !== 0)('a user without an entry in passwd and without HOME', () => {
    const UID = 54_321;
    const run = (args: string[], env: NodeJS.ProcessEnv = {}) => {
      const result = spawnSync(node, [entry, '--config', config, ...args], {
        env: { PATH: process.env.PATH, ...env },
        cwd: open,
        uid: UID,
        gid: UID,
        timeout: HANG_MS,
      });
      return { code: result.status, stdout: String(result.stdout), stderr: String(result.stderr) };
    };

    it('queues and cancels a task for a user without an entry, named by number', () => {
      const { stdout, stderr } = run(['enqueue', 'x', '--delay', '1h']);
      expect(stderr).toBe('');
      const id = stdout.trim();
      expect(run(['task', 'cancel', id]).code).toBe(0);
      expect(run(['task', 'show', id]).stdout).toContain(`cancelled by user ${UID} on `);
    });

    it('says in one line what a node, a dashboard or a private Redis lacks for a user without an entry', () => {
      const missing = /^clawmesh: this user has no home folder, and HOME is not set \([^\n]*\)\n$/;
      for (const words of [['dashboard'], ['dashboard', '--link'], ['node', 'install', '--dry-run']]) {
        expect(run(words)).toMatchObject({ code: 2, stderr: expect.stringMatching(missing) });
      }
      expect(run(['node', 'run'], { CLAWMESH_NODE_ID: 'mac-1' })).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(missing),
      });
      expect(run(['doctor']).stdout).toMatch(/✗ state +this user has no home folder/);
    });
  });
});
