import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MeshKeys } from '../../../src/redis/keys.ts';
import { takePicture } from '../../explore/picture.ts';
import { entry, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { SpawnedRedis } from '../../support/redis.ts';

const MESSAGES = [
  "'hello'",
  "'ünïcödé 日本語 👩‍👩‍👧'",
  "$'a\\x1b[31mred\\x07'",
  "$'tab\\tline\\nbreak'",
  "'  '",
  "''",
  "$'\\xff\\xfe'",
  "'-n'",
  "$'\\u202eRTL'",
  "'{{result:x}}'",
  `'"quoted" \\\\ back'`,
];
/** Where a command line is typed, and where its output goes. */
const SURROUNDINGS: readonly ((line: string, folder: string) => string)[] = [
  (line) => line,
  (line) => `${line} | cat`,
  (line) => `${line} | head -c 5`,
  (line) => `${line} | true`,
  (line) => `${line} >/dev/full`,
  (line) => `${line} >&-`,
  (line) => `${line} 2>&-`,
  (line) => `${line} </dev/null`,
  (line) => `${line} <&-`,
  (line) => `COLUMNS=1 ${line}`,
  (line) => `COLUMNS=20 TERM=dumb ${line}`,
  (line) => `LANG=C LC_ALL=C ${line}`,
  (line) => `env -i PATH="$PATH" ${line}`,
  (line) => `HOME= ${line}`,
  (line) => `TMPDIR=/nonexistent ${line}`,
  (line, folder) => `mkdir -p '${folder}/gone' && cd '${folder}/gone' && rmdir '${folder}/gone' && ${line}`,
  (line) => `NO_COLOR=1 FORCE_COLOR=3 ${line}`,
  (line) => `setsid ${line}`,
];
const OPTIONS = ['', ' --json', ' --tag a=b', ' --pool xcode', ' --node mac-2', ' --session s'];
const READING = [
  'status --json',
  'node list',
  'task list',
  'task list --state failed --limit 1 --json',
  'task show nope',
  'task logs nope',
  'events',
  'handovers',
  'schedule list',
  'config show',
  'pool list',
  'circuit list',
  'node show mac-9',
  'completion bash',
  'doctor --json',
  '--help',
];
/** Files of tasks, and how many are to be queued of each. */
const FILES: readonly [name: string, content: string | Buffer, tasks: number][] = [
  ['plain', '{"message":"a"}\n{"message":"b"}\n', 2],
  ['mark', Buffer.from('\ufeff{"message":"a"}\r\n\r\n{"message":"b"}'), 2],
  ['wrong', '{"message":"a"}\n{"message":1}\n', 0],
  ['half', '{"message":"cut \\ud83d"}\n', 0],
  ['latin', Buffer.from('{"message":"\xe9"}\n', 'latin1'), 0],
  ['empty', '', 0],
];
const SOURCES: readonly ((file: string) => string)[] = [
  (file) => `--from '${file}'`,
  (file) => `--from <(cat '${file}')`,
  (file) => `--from - < '${file}'`,
  (file) => `--from /dev/stdin < '${file}'`,
  (file) => `--pool xcode --tag t=1 --from '${file}'`,
];

describe('odd but valid command lines', () => {
  let server: SpawnedRedis;
  let redis: Redis;
  let folder: string;
  let clawmesh: string;

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    folder = emptyFolder();
    mkdirSync(join(folder, 'files'));
    for (const [name, content] of FILES) writeFileSync(join(folder, 'files', name), content);
    const config = writeConfig(`mesh: odd\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\n`);
    clawmesh = `'${process.execPath}' '${entry}' --config '${config}'`;
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  const tasks = async () => (await redis.keys('{clawmesh:odd}:*')).filter((key) => /:[0-9a-z]{26}$/.test(key)).length;
  const all = () => takePicture(redis, new MeshKeys({ prefix: 'clawmesh', mesh: 'odd' }), []);
  const type = async (line: string) => {
    const before = await tasks();
    const { status, signal, stdout, stderr } = spawnSync('bash', ['-c', line], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8' },
    });
    expect(signal, line).toBeNull();
    expect(stdout + stderr, line).not.toMatch(/^\s+at .*(:\d+:\d+|node:)/m);
    expect(stderr.trim().split('\n').length, `${line}: ${stderr}`).toBeLessThanOrEqual(3);
    return { code: status, stderr, queued: (await tasks()) - before };
  };

  it('queues a task or says why not, without a stack trace (110 lines of enqueue)', async () => {
    for (let n = 0; n < 110; n++) {
      const message = MESSAGES[(n * 7 + Math.floor(n / SURROUNDINGS.length)) % MESSAGES.length];
      const surroundings = SURROUNDINGS[n % SURROUNDINGS.length] as (typeof SURROUNDINGS)[number];
      const line = surroundings(`${clawmesh} enqueue${OPTIONS[n % OPTIONS.length]} -- ${message}`, folder);
      const { code, queued } = await type(line);
      // Of a pipe the shell tells the exit code of what reads it.
      if (/\| (cat|head|true)/.test(line)) continue;
      if (code === 0) expect(queued, line).toBe(1);
      else if (code === 2) expect(queued, line).toBe(0);
    }
  });

  it('only reads in reading commands, without a stack trace (60 lines)', async () => {
    const before = await all();
    for (let n = 0; n < 60; n++) {
      const surroundings = SURROUNDINGS[(n * 5) % SURROUNDINGS.length] as (typeof SURROUNDINGS)[number];
      await type(surroundings(`${clawmesh} ${READING[n % READING.length]}`, folder));
    }
    expect(await all()).toEqual(before);
  });

  it('queues all tasks of a file or none, from any source (30 lines)', async () => {
    for (const source of SOURCES) {
      for (const [name, , expected] of FILES) {
        const line = `${clawmesh} enqueue ${source(join(folder, 'files', name))}`;
        const { code, queued } = await type(line);
        expect([code, queued], line).toEqual([expected > 0 ? 0 : 2, expected]);
      }
    }
  });
});
