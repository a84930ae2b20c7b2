import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess, HANG_MS } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, openclawHome } from '../../support/openclaw.ts';
import { OPENCLAW_VERSION, openclawFolder } from '../../support/openclaw-paths.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/** The daemon's own user, and the one that is logged in, as which agents run. Any two will do. */
const DAEMON = 1;
const LOGIN = 65_534;
const SECRETS = ['the-redis-password-of-this-test', 'the-signing-key-of-this-test-1234'] as const;
const checkout = join(import.meta.dirname, '../../..');

/** A start that takes longer than this hangs, on any machine, ms. */
const GATEWAY_GUARD_MS = 400_000;

/** Takes root, to be two users, and Linux, to show both what root's own folders have. */
const canBeTwoUsers = process.platform === 'linux' && process.getuid?.() === 0;

describe.runIf(canBeTwoUsers)('a daemon under its own user, and a gateway under the login user', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cm2-'));
  const home = join(folder, 'daemon');
  const state = join(home, '.clawmesh');
  const secrets = join(home, 'clawmesh.env');
  const config = join(home, 'clawmesh.yaml');
  let redis: SpawnedRedis;
  let provider: FakeProvider;
  let gateway: CliProcess | undefined;
  let node: CliProcess | undefined;
  let dashboard = '';

  /** A command as this user, in a view of the file system in which Node, clawmesh and OpenClaw are where all may go. */
  const as = (uid: number, ...command: string[]): string[] => {
    const binds = ['node', 'clawmesh', 'openclaw'].map((name, i) => `mount --bind "$${i + 1}" '${folder}/${name}'`);
    const switched = `exec setpriv --reuid=${uid} --regid=${uid} --clear-groups "$@"`;
    const script = [...binds, 'shift 3', switched].join(' && ');
    return ['unshare', '--mount', 'sh', '-c', script, 'sh', process.execPath, checkout, openclawFolder, ...command];
  };
  /** Not in one step: the model provider is in this process, and would not answer meanwhile. */
  const run = (uid: number, ...command: string[]) => {
    const [program = '', ...args] = as(uid, ...command);
    return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      execFile(program, args, { cwd: '/', env: daemonEnv(), timeout: HANG_MS }, (error, stdout, stderr) => {
        resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr });
      });
    });
  };
  const clawmesh = (...args: string[]) =>
    run(DAEMON, join(folder, 'node'), join(folder, 'clawmesh/dist/cli/main.js'), '--config', config, ...args);
  const daemonEnv = () => ({
    PATH: process.env.PATH ?? '',
    HOME: home,
    CLAWMESH_HOME: state,
    CLAWMESH_NODE_ID: 'mac-1',
  });

  const gatewayReady = (port: number) =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );

  // Runs once, yet in beforeEach: expect.poll is not allowed in beforeAll.
  let started: Promise<void> | undefined;
  beforeEach(() => {
    started ??= start();
    return started;
  }, GATEWAY_GUARD_MS + 60_000);

  async function start(): Promise<void> {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'node'), '');
    for (const name of ['clawmesh', 'openclaw']) mkdirSync(join(folder, name));
    redis = await SpawnedRedis.start(['--requirepass', SECRETS[0]]);
    provider = await FakeProvider.start();

    const port = await reservePort();
    const login = join(folder, 'login');
    mkdirSync(join(login, 'state'), { recursive: true });
    cpSync(openclawHome(provider.baseUrl, port).env.OPENCLAW_CONFIG_PATH ?? '', join(login, 'openclaw.json'));
    execFileSync('chown', ['-R', `${LOGIN}:${LOGIN}`, login]);
    const command = as(LOGIN, join(folder, 'node'), join(folder, 'openclaw/node_modules/openclaw/openclaw.mjs'));
    const openclawEnv = {
      OPENCLAW_CONFIG_PATH: join(login, 'openclaw.json'),
      OPENCLAW_STATE_DIR: join(login, 'state'),
      HOME: login,
    };
    const isReady = async () => {
      // It has limits of its own for its start, which a busy machine does not keep; launchd would start it again, too.
      if (!gateway?.live) gateway = new CliProcess(['gateway', 'run'], openclawEnv, '/', command);
      return gatewayReady(port);
    };
    await expect.poll(isReady, { timeout: GATEWAY_GUARD_MS, interval: 500 }).toBe(true);

    const board = await reservePort();
    dashboard = `http://127.0.0.1:${board}/`;
    mkdirSync(home, { mode: 0o700 });
    writeFileSync(
      config,
      `mesh: m
redis: {url: "${redis.url}", password: "\${REDIS_PASSWORD}"}
security: {signingKey: "\${SIGNING_KEY}"}
openclaw:
  {mode: gateway, version: ${OPENCLAW_VERSION}, gateway: {url: "ws://127.0.0.1:${port}", token: "\${GATEWAY_TOKEN}"}}
dashboard: {port: ${board}}
node: {dashboard: true}
`,
    );
    const lines = [`REDIS_PASSWORD=${SECRETS[0]}`, `SIGNING_KEY=${SECRETS[1]}`, `GATEWAY_TOKEN=${GATEWAY_TOKEN}`];
    writeFileSync(secrets, lines.join('\n'), { mode: 0o600 });
    for (const path of [home, config, secrets]) chownSync(path, DAEMON, DAEMON);
    const daemon = as(DAEMON, join(folder, 'node'), join(folder, 'clawmesh/dist/cli/main.js'));
    const log = ['--log-file', join(home, 'logs/node.log')];
    node = new CliProcess(['--config', config, 'node', 'run', ...log], daemonEnv(), '/', daemon);
  }
  afterAll(async () => {
    await node?.kill();
    await gateway?.kill();
    await provider?.stop();
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs tasks', async () => {
    await expect.poll(async () => (await clawmesh('node', 'list')).stdout).toMatch(/mac-1 +up/);
    const done = await clawmesh('enqueue', 'from two users', '--wait');
    expect([done.status, done.stdout], done.stderr).toEqual([0, expect.stringContaining('from two users')]);
  });

  it('hides everything it knows from the user as whom agents run', async () => {
    const token = join(state, 'm/dashboard.token');
    await expect.poll(() => existsSync(token) && existsSync(join(home, 'logs/node.log'))).toBe(true);
    for (const attempt of [
      ['cat', secrets],
      ['cat', token],
      ['ls', join(state, 'm/nodes/mac-1/outcomes')],
      ['cat', join(home, 'logs/node.log')],
      ['cat', `/proc/${node?.pid}/environ`],
      ['ls', `/proc/${node?.pid}/fd/`],
      // Whether it may be signalled; a CONT would be let through within one session.
      ['kill', '-0', `${node?.pid}`],
    ]) {
      // The daemon's own user can, so that it is the user and not the attempt.
      expect((await run(DAEMON, ...attempt)).status, `its own user: ${attempt.join(' ')}`).toBe(0);
      const refused = await run(LOGIN, ...attempt);
      expect(refused.status, attempt.join(' ')).not.toBe(0);
      expect(refused.stderr, attempt.join(' ')).toMatch(/Permission denied|not permitted/);
    }
    // What everybody may see of a process has no secret in it.
    const seen = (await run(LOGIN, 'cat', `/proc/${node?.pid}/cmdline`)).stdout;
    expect(seen).toContain('clawmesh');
    for (const secret of [...SECRETS, GATEWAY_TOKEN]) expect(seen).not.toContain(secret);
  });

  it('gives that user no way into the mesh except the tasks for it', async () => {
    const refused = await fetch(`${dashboard}api/v1/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'from an agent’s shell' }),
    });
    expect(refused.status).toBe(401);
    const program = [join(folder, 'node'), join(folder, 'clawmesh/dist/cli/main.js')];
    const typed = await run(LOGIN, ...program, '--config', config, 'enqueue', 'from an agent’s shell');
    expect([typed.status, typed.stdout], typed.stderr).toEqual([2, '']);
    expect(typed.stderr).toMatch(/this user may not read it/);
    expect((await clawmesh('task', 'list', '--json')).stdout).not.toContain('agent’s shell');
  });
});
