import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { LaunchctlStandIn, SystemctlStandIn } from '../../support/service-managers.ts';

const PLIST = 'Library/LaunchAgents/ai.clawmesh.node.plist';
const UNIT = '.config/systemd/user/clawmesh-node.service';

describe.each(['launchd', 'systemd'] as const)('the service of a node under %s', (name) => {
  let mesh: ProcessMesh;
  let home: string;
  let manager: LaunchctlStandIn | SystemctlStandIn;
  const file = () => join(home, name === 'launchd' ? PLIST : UNIT);
  const log = () =>
    readFileSync(
      name === 'launchd' ? join(home, 'Library/Logs/clawmesh/node.log') : join(manager.bin, 'journal'),
      'utf8',
    );

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    home = join(emptyFolder(), 'a home & "more"');
    mkdirSync(home);
    manager = name === 'launchd' ? new LaunchctlStandIn() : new SystemctlStandIn(join(home, '.config/systemd/user'));
  });
  afterEach(async () => {
    await manager.close();
    await mesh.stop();
  });

  const node = (...args: string[]) => nodeWith({}, ...args);
  const nodeWith = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    runCli(['--config', mesh.config, 'node', ...args, '--manager', name], {
      env: { HOME: home, CLAWMESH_NODE_ID: 'mac-1', PATH: `${manager.bin}:${process.env.PATH}`, ...env },
    });
  const state = async () => (await mesh.json('node', 'show', 'mac-1')).state;
  const up = () => expect.poll(state).toBe('up');

  it('installs, keeps alive, changes, restarts, stops and removes the service, and changes nothing the second time', async () => {
    expect(await node('start')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/service is not installed.*node install/s),
    });
    const dry = await node('install', '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.stdout).toContain(file());
    expect(manager.pid).toBeUndefined();

    expect(await node('install')).toMatchObject({ code: 0, stderr: expect.stringMatching(/is installed and running/) });
    await up();
    expect(log()).toMatch(/node is up/);
    const first = manager.pid;
    expect((await node('install')).stderr).toMatch(/nothing to do/);
    expect(manager.pid).toBe(first);

    // A crash is mended by the manager, with the tasks of the earlier incarnation.
    const id = await mesh.enqueue('2');
    await mesh.starts(1);
    process.kill(first as number, 'SIGKILL');
    await mesh.allEnded();
    expect((await mesh.task(id)).node).toBe('mac-1');

    // What has changed is taken over, after a drain.
    await mesh.enqueue('1');
    await mesh.starts(3);
    const second = manager.pid;
    expect(await nodeWith({ CLAWMESH_NODE_ID: 'mac-2' }, 'install')).toMatchObject({ code: 0 });
    await expect.poll(async () => (await mesh.json('node', 'list')).nodes.length).toBe(2);
    expect(manager.pid).not.toBe(second);
    await expect.poll(state).toBe('stopped');
    expect((await mesh.handovers()).filter((handover) => handover.reason === 'drain')).toEqual([]);

    const third = manager.pid;
    expect(await node('restart')).toMatchObject({ code: 0 });
    expect(manager.pid).not.toBe(third);
    await expect.poll(() => log().match(/node is up/g)?.length).toBe(4);
    expect(await node('stop')).toMatchObject({ code: 0, stderr: expect.stringMatching(/is stopped/) });
    expect(manager.pid).toBeUndefined();
    expect((await node('stop')).stderr).toMatch(/nothing to do/);
    expect(await node('start')).toMatchObject({ code: 0 });
    expect(await node('uninstall')).toMatchObject({ code: 0 });
    expect(manager.pid).toBeUndefined();
    expect((await node('uninstall')).stderr).toMatch(/nothing to do/);
    expect((await node('stop')).code).toBe(1);
  });

  it('defines a valid service without secrets and with openclaw on its PATH', async () => {
    const folder = emptyFolder();
    const secrets = join(folder, 'clawmesh.env');
    mesh.config = join(folder, 'clawmesh.yaml');
    writeFileSync(
      mesh.config,
      `mesh: m\nredis: {url: "${mesh.server.url}"}\nopenclaw: {mode: exec, exec: {bin: "${mesh.ledger.bin}"}}\ndashboard: {token: "\${A_TOKEN}"}\n`,
    );
    writeFileSync(secrets, 'A_TOKEN=hunter2-hunter2\n', { mode: 0o644 });
    const refused = await node('install');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/other users may read.*chmod 600/) });
    execFileSync('chmod', ['600', secrets]);
    expect(await node('install')).toMatchObject({ code: 0 });
    await up();
    const text = readFileSync(file(), 'utf8');
    expect(text + log()).not.toMatch(/hunter2/);
    expect(text).toContain(join(mesh.ledger.bin, '..'));
    if (name === 'launchd') execFileSync('plistutil', ['-i', file()]);
    else {
      const env = { ...process.env, XDG_RUNTIME_DIR: emptyFolder() };
      const verified = spawnSync('systemd-analyze', ['verify', '--user', file()], { env, encoding: 'utf8' });
      expect(verified).toMatchObject({ status: 0, stdout: '', stderr: '' });
    }
  });

  it.runIf(name === 'launchd')(
    'says what is wrong if no user is logged in, and reopens a log that was moved away',
    async () => {
      const launchctl = manager as LaunchctlStandIn;
      launchctl.loggedIn = false;
      const refused = await node('install');
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/no user is logged in.*--system/s) });
      launchctl.loggedIn = true;
      await node('install');
      await up();
      const logFile = join(home, 'Library/Logs/clawmesh/node.log');
      renameSync(logFile, `${logFile}.0`);
      await expect.poll(() => existsSync(logFile)).toBe(true);
      await mesh.cli('node', 'drain', 'mac-1');
      await expect.poll(log).toMatch(/drain/);
      expect(readFileSync(`${logFile}.0`, 'utf8')).toMatch(/node is up/);
    },
  );
});
