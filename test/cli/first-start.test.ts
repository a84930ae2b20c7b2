import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TESTED_OPENCLAW, upGreeting } from '../../src/cli/up-greeting.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { CliProcess, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { OPENCLAW_VERSION } from '../support/openclaw-paths.ts';
import { reservePort } from '../support/ports.ts';
import { redisProgram } from '../support/redis.ts';

/** The environment of a machine that has a Redis server and no OpenClaw, not even a gateway of another user. */
function freshMachine(): NodeJS.ProcessEnv {
  const programs = emptyFolder();
  symlinkSync(redisProgram(), join(programs, 'redis-server'));
  return { HOME: emptyFolder(), CLAWMESH_HOME: emptyFolder(), PATH: programs, npm_package_name: '' };
}

/** Settings that keep tests apart: the default ports are shared by everything on this machine. */
async function ownPorts(): Promise<string> {
  const [dashboard, gateway] = [await reservePort(), await reservePort()];
  return `mesh: first\ndashboard: {port: ${dashboard}}\nopenclaw: {gateway: {url: "ws://127.0.0.1:${gateway}"}}\n`;
}

async function outputOfUp(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const up = new CliProcess(['up', '--nodes', '2', ...args], env);
  try {
    await up.waitFor(/Ctrl-C stops everything/);
    up.signal('SIGINT');
    expect(await up.exited).toBe(0);
    return up.output;
  } finally {
    await up.kill();
  }
}

describe('first start of clawmesh up', () => {
  it('prints lines for people only, and names the steps to real tasks', async () => {
    const env = freshMachine();
    const file = join(env.HOME ?? '', '.config/clawmesh/clawmesh.yaml');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await ownPorts());
    const output = await outputOfUp([], env);
    const lines = output.split('\n').map((line) => line.trim());
    expect(lines.filter((line) => line.startsWith('{'))).toEqual([]);
    expect(output).not.toMatch(/deprecat|FSTDEP|trace-warnings/i);
    expect(output).toMatch(/\] INFO \(dashboard\): Server listening at http/);
    expect(lines).toEqual(
      expect.arrayContaining([
        `npm install -g openclaw@${OPENCLAW_VERSION}`,
        'openclaw onboard',
        'clawmesh up --nodes 2',
        expect.stringMatching(/^clawmesh enqueue "hello" --wait {2}/),
      ]),
    );
  });

  it('repeats the config file of its command line in every command that it suggests', async () => {
    const config = writeConfig(await ownPorts());
    const output = await outputOfUp(['--config', config], freshMachine());
    const suggested = output.split('\n').filter((line) => /^ +clawmesh /.test(line));
    expect(suggested.map((line) => line.includes(` --config ${config}`))).toEqual([true, true, true]);
  });
});

it('says at clawmesh up that a node is gated, and repeats the config file in its hints', async () => {
  const config = writeConfig(`${await ownPorts()}gates: {minFreeDisk: 100000000GB}\n`);
  const output = await outputOfUp(['--config', config], { ...freshMachine() });
  expect(output).toMatch(/mesh "first" runs no tasks yet: 0 of 2 nodes ready/);
  expect(output).toMatch(/node-1 claims no tasks: free-disk: /);
  expect(output).not.toMatch(/mesh "first" is up/);
  const suggested = output.split('\n').filter((line) => /clawmesh (enqueue|status|doctor|up|dashboard)/.test(line));
  expect(suggested.filter((line) => !line.includes(`--config ${config}`))).toEqual([]);
});

describe('greeting of clawmesh up', () => {
  const config: Config = configSchema.parse({});
  const greet = (more: Partial<Parameters<typeof upGreeting>[0]> = {}) =>
    upGreeting({
      config,
      file: undefined,
      namedFile: undefined,
      modes: ['simulate', 'simulate'],
      idle: [],
      redis: '/r.sock',
      dashboardUrl: undefined,
      env: {},
      ...more,
    });

  it('suggests the OpenClaw version that the tests use', () => {
    expect(TESTED_OPENCLAW).toBe(OPENCLAW_VERSION);
    expect(greet()).toContain(`npm install -g openclaw@${OPENCLAW_VERSION}\n`);
  });

  it('suggests the OpenClaw version that the config pins', () => {
    const pinned = configSchema.parse({ openclaw: { version: '2026.8.1' } });
    expect(greet({ config: pinned })).toContain('npm install -g openclaw@2026.8.1\n');
  });

  it('suggests no installation if simulation is configured', () => {
    const simulated = configSchema.parse({ openclaw: { mode: 'simulate' } });
    const text = greet({ config: simulated });
    expect(text).toContain('openclaw.mode is simulate: tasks are only simulated; no agent runs');
    expect(text).not.toContain('npm install');
  });

  it('says which setting to change if simulation is configured', () => {
    const simulated = configSchema.parse({ openclaw: { mode: 'simulate' } });
    const text = greet({ config: simulated, file: '/etc/clawmesh/clawmesh.yaml' });
    expect(text).toContain('set it to gateway or exec in /etc/clawmesh/clawmesh.yaml and start again');
  });

  it('does not call the mesh up if no node claims, and says why with the config in its hint', () => {
    const idle = [{ id: 'node-1', reason: 'openclaw-version: want 2026.9.6, has 2026.9.5' }];
    const text = greet({ modes: ['exec', 'exec'], idle, namedFile: 'x.yaml' });
    expect(text).toContain('mesh "local" is partly up: 1 of 2 nodes ready (exec) on Redis at /r.sock\n');
    expect(text).toContain('  node-1 claims no tasks: openclaw-version: want 2026.9.6, has 2026.9.5\n');
    expect(text).toContain('clawmesh doctor --config x.yaml\n');
    expect(greet({ modes: ['exec'], idle })).toContain('runs no tasks yet: 0 of 1 node ready');
    expect(greet({ modes: ['exec'], idle })).not.toContain('is up');
  });

  it('says nothing about simulation if OpenClaw runs the tasks', () => {
    const text = greet({ modes: ['gateway'] });
    expect(text).toContain('is up: 1 node (gateway) on Redis at /r.sock');
    expect(text).not.toMatch(/simulate|npm install/);
  });

  it('suggests the npm scripts of the checkout that it was started from', () => {
    const env = { npm_package_name: 'clawmesh', npm_lifecycle_event: 'start' };
    expect(greet({ env })).toContain('    npm start\n');
    const named = greet({ env, namedFile: 'mesh.yaml' });
    expect(named).toContain('    npm start -- --config mesh.yaml\n');
    expect(named).toContain('    npm run -s clawmesh -- enqueue "hello" --wait --config mesh.yaml  ');
    const other = greet({ env: { ...env, npm_lifecycle_event: 'clawmesh' } });
    expect(other).toContain('    npm run -s clawmesh -- up --nodes 2\n');
  });

  it('quotes the name of a config file for the shell', () => {
    expect(greet({ namedFile: "my mesh's.yaml" })).toContain(" --config 'my mesh'\\''s.yaml'");
  });

  it('names the file for the gateway’s token, unless that file has one', () => {
    expect(greet()).toContain('set openclaw.gateway.token in ~/.config/clawmesh/clawmesh.yaml');
    expect(greet({ file: '/etc/clawmesh/clawmesh.yaml' })).toContain('token in /etc/clawmesh/clawmesh.yaml');
    const withToken = configSchema.parse({ openclaw: { gateway: { token: 't' } } });
    expect(greet({ config: withToken })).not.toContain('gateway.token');
  });
});
