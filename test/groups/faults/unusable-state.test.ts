import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder, makeFolderSync } from '../../../src/platform/make-folder.ts';
import { privateRedisFolder } from '../../../src/redis/private-server.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/** Where nothing can be kept: a file in the way, a disk that refuses, one that says that a parent which is there is not. */
const HOMES = [
  ['below a file', () => join(fileIn(emptyFolder()), 'x')],
  ['a file', () => fileIn(emptyFolder())],
  ...(existsSync('/proc/self')
    ? ([
        ['in /proc', () => '/proc/nope'],
        ['in /sys', () => '/sys/nope'],
      ] as const)
    : []),
] as const;

function fileIn(folder: string): string {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  return file;
}

/** Programs whose working folder is this one; a private Redis is in its data folder. */
function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
      } catch {
        return false;
      }
    });
}

describe('an unusable state folder', () => {
  let server: SpawnedRedis;
  beforeAll(async () => {
    server = await SpawnedRedis.start();
  });
  afterAll(() => server.stop());

  const nodeConfig = async (mode: string) =>
    writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: ${mode}, gateway: {url: "ws://127.0.0.1:1"}}\n` +
        `node: {listen: "127.0.0.1:0", dashboard: true}\ndashboard: {port: ${await reservePort()}}\n`,
    );

  it.each(HOMES)('gates a node (%s), which says why and ends when it is stopped', async (_, home) => {
    for (const mode of ['simulate', 'gateway']) {
      const node = new CliProcess(['--config', await nodeConfig(mode), 'node', 'run'], {
        CLAWMESH_NODE_ID: `${mode}-1`,
        CLAWMESH_HOME: home(),
      });
      await node.waitFor(/"gate":"journal","reason":"undelivered results can't be kept on disk/);
      await node.waitFor(/node is up/);
      node.signal('SIGTERM');
      expect(await node.exited).toBe(0);
      expect(node.output).not.toMatch(/\n {2,}at /);
    }
  });

  it.each(HOMES)('stops clawmesh up and the dashboard with one line (%s)', async (_, home) => {
    const port = await reservePort();
    for (const [command, redis] of [
      ['up', ''],
      ['dashboard', `redis: {url: "${server.url}"}\n`],
    ] as const) {
      const config = writeConfig(`mesh: m\n${redis}openclaw: {mode: simulate}\ndashboard: {port: ${port}}\n`);
      const { code, stderr } = await runCli(['--config', config, command], { env: { CLAWMESH_HOME: home() } });
      expect(stderr).toMatch(
        /^clawmesh: [^\n]*(can't be used|dashboard\.token): [^\n]*\(make (?:it|the folder) writable[^\n]*\)\n$/,
      );
      expect(code).toBe(2);
    }
  });

  it('leaves no Redis behind if clawmesh up cannot record where it is', async () => {
    const home = emptyFolder();
    const folder = privateRedisFolder('m', { CLAWMESH_HOME: home });
    mkdirSync(join(folder, 'server.json'), { recursive: true });
    const { code, stderr } = await runCli(['--config', writeConfig('mesh: m\n'), 'up'], {
      env: { CLAWMESH_HOME: home },
    });
    expect(stderr).toMatch(/^clawmesh: \S+server\.json can't be used: EISDIR[^\n]*\n$/);
    expect(code).toBe(2);
    expect(processesIn(folder)).toEqual([]);
  });

  it.each([
    ['a folder', () => emptyFolder()],
    ['below a file', () => join(fileIn(emptyFolder()), 'x', 'node.log')],
    ...(existsSync('/proc/self') ? ([['in /proc', () => '/proc/nope/node.log']] as const) : []),
  ] as const)('stops a node with one line if its log file is %s', async (_, file) => {
    const args = ['--config', await nodeConfig('simulate'), 'node', 'run', '--log-file', file()];
    const { code, stderr } = await runCli(args, { env: { CLAWMESH_NODE_ID: 'mac-1' } });
    expect(stderr).toMatch(/^clawmesh: the log file \S+ can't be written: [^\n]*\(check --log-file[^\n]*\)\n$/);
    expect(code).toBe(2);
  });
});

describe('creation of a folder', () => {
  it('makes missing parents of a folder, and says whether it made any', async () => {
    const folder = join(emptyFolder(), 'a/b/c');
    expect(await makeFolder(folder)).toBe(true);
    expect(await makeFolder(folder)).toBe(false);
    expect(makeFolderSync(`${folder}/d/e`)).toBe(true);
    expect(makeFolderSync(`${folder}/d/e`)).toBe(false);
  });

  it('makes a folder once although several calls make it at the same moment', async () => {
    const folder = join(emptyFolder(), 'a/b/c/d');
    const made = await Promise.all(Array.from({ length: 20 }, () => makeFolder(folder)));
    expect(made.filter(Boolean)).toHaveLength(1);
  });

  it('names the file that is in the way of a folder', async () => {
    const file = fileIn(emptyFolder());
    await expect(makeFolder(`${file}/x/y`)).rejects.toThrow(new RegExp(`ENOTDIR|EEXIST.*${file}`));
    expect(() => makeFolderSync(`${file}/x/y`)).toThrow(file);
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});
