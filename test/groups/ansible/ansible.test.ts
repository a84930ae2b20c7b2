import { execFile, execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../../src/cli/version.ts';
import type { Node } from '../../../src/domain/node.ts';
import type { Task } from '../../../src/domain/task.ts';
import { emptyFolder } from '../../support/folders.ts';
import { type Machine, Machines } from '../../support/machines.ts';
import { reservePort } from '../../support/ports.ts';

const root = join(import.meta.dirname, '../../..');
const playbooks = join(root, 'deploy/ansible');
const OLD = packageVersion();
const [NEW, BROKEN] = ['99.0.1', '99.0.2'];
/** Otherwise a slice of it: what does not fit into 20 minutes of CI is left out. */
const full = process.env.CLAWMESH_ANSIBLE === 'full';
const TASKS = full ? 50 : 12;
const SECRETS = ['a-secret-of-this-test', "another one, it's long"];
const run = promisify(execFile);

/** Three fresh machines, each a Debian with systemd, on which there is nothing of ours. */
describe('playbooks on three fresh machines', () => {
  let machines: Machines;
  let first: Machine;
  const folder = emptyFolder();
  const inventory = join(folder, 'inventory');
  const settings = join(inventory, 'group_vars/all/main.yml');

  beforeAll(async () => {
    machines = await Machines.start(['mac-1', 'mac-2', 'mac-3']);
    first = machines.all[0] as Machine;
    pack();
    mkdirSync(join(inventory, 'group_vars/all'), { recursive: true });
    const hosts: Record<string, object> = {};
    for (const { name, sshPort } of machines.all) {
      const ports = { redis_port: await reservePort(), redis_sentinel_port: await reservePort() };
      hosts[name] = { ansible_host: '127.0.0.1', ansible_port: sshPort, ...ports };
    }
    const servers = { redis: { hosts }, sentinels: { children: { redis: {} } }, nodes: { children: { redis: {} } } };
    // JSON is YAML too.
    writeFileSync(join(inventory, 'hosts.yml'), JSON.stringify({ all: { children: servers } }));
    const config = {
      mesh: 'lab',
      openclaw: { mode: 'simulate' },
      security: { signingKey: '${CLAWMESH_SIGNING_KEY}' },
      health: { heartbeatInterval: '2s', missedHeartbeats: 3 },
      node: { pools: { default: 2 }, drainTimeout: '1m' },
    };
    const vars = {
      ansible_user: 'clawmesh',
      ansible_ssh_private_key_file: machines.key,
      ansible_ssh_common_args: machines.sshOptions.join(' '),
      clawmesh_version: OLD,
      clawmesh_package: `${folder}/clawmesh-{{ clawmesh_version }}.tgz`,
      clawmesh_config: config,
      clawmesh_secrets: { CLAWMESH_SIGNING_KEY: SECRETS[1] },
      redis_secret: SECRETS[0],
    };
    writeFileSync(settings, JSON.stringify(vars));
  });
  afterAll(() => machines?.stop());

  /** The package as it is, one that only calls itself newer, and one whose nodes can't start. */
  function pack(): void {
    const inFolder = { cwd: folder, stdio: 'ignore' } as const;
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, root], inFolder);
    execFileSync('tar', ['xzf', `clawmesh-${OLD}.tgz`], inFolder);
    const about = join(folder, 'package/package.json');
    for (const version of [NEW, BROKEN]) {
      writeFileSync(about, readFileSync(about, 'utf8').replace(/"version": "[^"]+"/, `"version": "${version}"`));
      if (version === BROKEN) {
        const main = join(folder, 'package/dist/cli/main.js');
        const run = "if (process.argv.includes('run')) process.exit(7);\n";
        writeFileSync(main, readFileSync(main, 'utf8').replace(/^(#!.*\n)?/, `$1${run}`));
      }
      execFileSync('tar', ['czf', `clawmesh-${version}.tgz`, 'package'], inFolder);
    }
  }

  const play = async (playbook: string, ...more: string[]) => {
    const env = { ...process.env, ANSIBLE_CONFIG: join(playbooks, 'ansible.cfg'), ANSIBLE_NOCOLOR: '1' };
    const args = ['-i', inventory, join(playbooks, playbook), ...more];
    const { stdout, failed } = await run('ansible-playbook', args, { env, maxBuffer: 1e8 }).then(
      ({ stdout }) => ({ stdout, failed: false }),
      (error: { stdout: string }) => ({ stdout: error.stdout, failed: true }),
    );
    for (const secret of SECRETS) expect(stdout).not.toContain(secret);
    const changed = [...stdout.matchAll(/^(\S+) +: ok=\d+ +changed=(\d+)/gm)].map(([, , count]) => Number(count));
    const done = `${playbook} ${more.join(' ')}: ${stdout.slice(stdout.indexOf('PLAY RECAP'))}`;
    console.log(done);
    if (process.env.CLAWMESH_RECORD)
      appendFileSync(process.env.CLAWMESH_RECORD, `$ ansible-playbook ${playbook} ${more.join(' ')}\n${stdout}\n`);
    return { stdout, failed, changed };
  };
  const succeeds = async (...args: [string, ...string[]]) => {
    const result = await play(...args);
    expect(result.failed, result.stdout.slice(-3_000)).toBe(false);
    return result;
  };
  const cli = (args: string) => machines.run(first, `~/.local/bin/clawmesh ${args}`);
  const nodes = () => (JSON.parse(cli('node list --json')) as { nodes: Node[] }).nodes;
  const states = () => nodes().map(({ id, state, version }) => `${id} ${state} ${version}`);
  const everywhere = (state: string, version: string) => machines.all.map(({ name }) => `${name} ${state} ${version}`);
  const taskStates = () =>
    (JSON.parse(cli('task list --json --limit 500')) as { tasks: Task[] }).tasks.filter(({ message }) =>
      message.startsWith('sleep'),
    );

  it('passes ansible-lint without a finding', () => {
    execFileSync('ansible-lint', ['--offline', '--strict'], {
      cwd: playbooks,
      stdio: 'pipe',
      env: { ...process.env, NO_COLOR: '1' },
    });
  });

  it('installs three nodes and a Redis with Sentinels, and changes nothing the second time', async () => {
    if (full) {
      const wouldChange = await succeeds('site.yml', '--check');
      expect(wouldChange.changed.every((count) => count > 0)).toBe(true);
    }
    expect(machines.run(first, 'ls -A ~/.config ~/.local /var/lib/clawmesh-redis 2>&1 || true')).not.toMatch(
      /^[^:]+$/m,
    );
    await succeeds('site.yml');
    expect(states()).toEqual(everywhere('up', OLD));
    const checks = (JSON.parse(cli('doctor --json')) as { checks: { check: string; state: string }[] }).checks;
    expect(checks.filter(({ state }) => state !== 'ok')).toEqual([]);
    if (!full) return;
    expect((await succeeds('site.yml')).changed).toEqual([0, 0, 0]);
    expect((await succeeds('site.yml', '--check')).changed).toEqual([0, 0, 0]);
  });

  it('rolls out a new version while tasks run, without a lost or repeated task', async () => {
    const config = join(first.root, 'home/clawmesh/tasks.jsonl');
    writeFileSync(config, Array.from({ length: TASKS }, () => '{"message":"sleep 5s"}').join('\n'));
    cli('enqueue --from tasks.jsonl');
    if (full) {
      const wouldChange = await succeeds('upgrade.yml', '--check', '-e', `clawmesh_version=${NEW}`);
      expect(wouldChange.changed.every((count) => count > 0)).toBe(true);
      expect(states()).toEqual(everywhere('up', OLD));
    }
    await succeeds('upgrade.yml', '-e', `clawmesh_version=${NEW}`);
    expect(states()).toEqual(everywhere('up', NEW));
    await expect.poll(() => taskStates().filter(({ state }) => state === 'completed').length).toBe(TASKS);
    const starts = taskStates().map(({ history }) => history.filter(({ event }) => event === 'claimed').length);
    expect(starts).toEqual(Array.from({ length: TASKS }, () => 1));
    expect(new Set(taskStates().map(({ node }) => node)).size).toBeGreaterThan(1);
  });

  it.runIf(full)('stops at the first unhealthy node and rolls it back', async () => {
    const { failed, stdout } = await play('upgrade.yml', '-e', `clawmesh_version=${BROKEN}`);
    expect(failed).toBe(true);
    expect(stdout).toMatch(
      /mac-1 is not well with 99\.0\.2: .*\. It is drained; the other nodes run on as they were\./s,
    );
    expect(machines.run(machines.all[1] as Machine, '~/.local/bin/clawmesh node list')).toMatch(
      /mac-2 +up.*mac-3 +up/s,
    );
    await succeeds('rollback.yml', '-e', `clawmesh_version=${BROKEN}`);
    expect(states()).toEqual(everywhere('up', NEW));
    expect((await succeeds('site.yml', '-e', `clawmesh_version=${NEW}`)).changed).toEqual([0, 0, 0]);
  });

  it.runIf(full)('brings a changed config to one node after the other, and removes a node', async () => {
    const before = nodes();
    cpSync(settings, `${settings}.old`);
    writeFileSync(
      settings,
      readFileSync(settings, 'utf8').replace('"default":2', '"default":3').replace(`"${OLD}"`, `"${NEW}"`),
    );
    await succeeds('upgrade.yml');
    expect(nodes().map(({ pools }) => pools.default?.concurrency)).toEqual([3, 3, 3]);
    expect(nodes().every(({ incarnation }, i) => incarnation > (before[i]?.incarnation ?? 0))).toBe(true);
    await succeeds('remove.yml', '--limit', 'mac-3');
    expect(nodes().map(({ id }) => id)).toEqual(['mac-1', 'mac-2']);
    expect(machines.run(machines.all[2] as Machine, 'ls -a ~/.config/clawmesh ~/.local/share 2>&1 || true')).toMatch(
      /No such file/,
    );
  });
});
