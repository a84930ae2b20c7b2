import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageVersion } from '../../../src/cli/version.ts';
import { CliProcess, cleanEnv, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';

const root = join(import.meta.dirname, '../../..');
const TOKEN = 'a-token-of-this-test';

/** Bytes of all files in a folder. */
function sizeOf(folder: string): number {
  return globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

describe('the package', () => {
  it('installs into a clean prefix, with everything it needs, and works there', async () => {
    const folder = emptyFolder();
    const env = cleanEnv({ HOME: folder, npm_config_cache: join(process.env.HOME ?? '', '.npm') });
    // dist is built already; another build would pull it away from under other tests.
    const npm = (...args: string[]) =>
      execFileSync('npm', args, { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const [{ filename, files }] = JSON.parse(
      npm('pack', '--json', '--ignore-scripts', '--pack-destination', folder),
    ) as [{ filename: string; files: { path: string }[] }];
    expect(
      files
        .map(({ path }) => path)
        .filter((path) => /^(src|test|bench|scripts)\/|\.env$|\.lua$|node_modules/.test(path)),
    ).toEqual([]);
    const prefix = join(folder, 'prefix');
    mkdirSync(prefix);
    npm(
      'install',
      '--global',
      '--prefix',
      prefix,
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      join(folder, filename),
    );
    const bin = join(prefix, 'bin/clawmesh');
    const run = (...args: string[]) => execFileSync(bin, args, { cwd: folder, env, encoding: 'utf8' });
    expect(run('--version')).toBe(`${packageVersion()}\n`);
    const program =
      "import { ClawmeshError, Mesh } from 'clawmesh'; console.log(typeof Mesh, new ClawmeshError('usage', 'x').code)";
    const asLibrary = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: join(prefix, 'lib'),
      env,
      encoding: 'utf8',
    });
    expect(asLibrary).toBe('function usage\n');
    expect(readdirSync(join(prefix, 'share/man/man1'))).toEqual(
      expect.arrayContaining(['clawmesh.1', 'clawmesh-task.1', 'clawmesh-node.1']),
    );

    const packages = globSync('**/node_modules/{*,@*/*}/package.json', { cwd: prefix });
    expect(packages.length).toBeLessThanOrEqual(120);
    expect(sizeOf(prefix)).toBeLessThanOrEqual(70_000_000);

    const port = await reservePort();
    const settings = `node: {dashboard: true}\ndashboard: {port: ${port}, token: "${TOKEN}"}\n`;
    const config = writeConfig(`mesh: packed\nopenclaw: {mode: simulate}\n${settings}`);
    const up = new CliProcess(['--config', config, 'up'], env, folder, [bin]);
    try {
      await up.waitFor(/node is up/);
      const headers = { authorization: `Bearer ${TOKEN}` };
      const page = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text();
      await expect.poll(() => page('/')).toContain('app.js');
      expect(await page('/queues')).toContain('clawmesh packed');
      expect(await page('/queues/static/images/logo.svg')).toContain('<svg');
      expect(await page('/metrics')).toContain('clawmesh_mesh_tasks');
      expect(run('--config', config, 'enqueue', 'hello from the package', '--wait')).toContain(
        'hello from the package',
      );
      expect(JSON.parse(run('--config', config, 'node', 'list', '--json')).nodes).toHaveLength(1);
    } finally {
      up.signal('SIGTERM');
      await up.exited;
    }
  });
});
