import { ReplyError } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal, RefusedError } from '../../src/redis/refusal.ts';
import { Script } from '../../src/redis/scripts.ts';
import { openTestMesh, type TestMesh } from '../support/pool.ts';
import { SpawnedRedis } from '../support/redis.ts';

const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('errors of the Redis server under test', () => {
  let server: SpawnedRedis;
  let mesh: TestMesh;
  const run = (name: string, lua: string) => thrownBy(new Script(name, () => lua).run(mesh.redis, mesh.keys, []));

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    mesh = await openTestMesh(server.url, 'm');
  });
  afterAll(async () => {
    await mesh.close();
    await server.stop();
  });

  it.each([
    ['a number that is none', "return redis.call('HINCRBY', KEYS[1], 'field', '11.5')"],
    ['a value of another type', "redis.call('SET', KEYS[1], 'x') return redis.call('HGET', KEYS[1], 'field')"],
    ['an argument that Lua has no text for', "return redis.call('HSET', KEYS[1], 'field', nil)"],
    ['a fault of the script', 'return nothing.at.all'],
    ['a stored value that is no JSON', "return cjson.decode('{')"],
    ['a script that does not compile', 'return ('],
  ])('takes an error in a script that meets %s for a refusal', async (name, lua) => {
    const error = await run(name, lua);
    expect(error).toBeInstanceOf(Error);
    expect(isRefusal(error)).toBe(true);
  });

  it('takes a write while memory is full for no refusal', async () => {
    await mesh.redis.config('SET', 'maxmemory', '1');
    const error = await run('oom', "return redis.call('HSET', KEYS[1], 'field', 'x')");
    await mesh.redis.config('SET', 'maxmemory', '0');
    expect(error).toBeInstanceOf(Error);
    expect(isRefusal(error)).toBe(false);
  });

  it('takes missing rights of the Redis user for no refusal, since an operator can grant them', async () => {
    await mesh.redis.call('ACL', 'SETUSER', 'some', 'on', 'nopass', '~*', '+@all', '-hset');
    const other = mesh.redis.duplicate({ username: 'some', password: 'x', lazyConnect: false });
    const error = await thrownBy(
      new Script('acl', () => "return redis.call('HSET', KEYS[1], 'a', 'b')").run(other, mesh.keys, []),
    );
    other.disconnect();
    expect(error).toBeInstanceOf(Error);
    expect(isRefusal(error)).toBe(false);
  });
});

it.each([
  'LOADING Redis is loading the dataset in memory',
  "READONLY You can't write against a read only replica.",
  "ERR Error running script (call to f_1f2e): @user_script:12: @user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.",
  "ERR Error running script (call to f_1f2e): @user_script:3: @user_script: 3: -READONLY You can't write against a read only replica.",
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
  'NOREPLICAS Not enough good replicas to write.',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'ERR max number of clients reached',
  'NOAUTH Authentication required.',
])('takes a passing error for no refusal: %s', (message) => {
  expect(isRefusal(new ReplyError(message))).toBe(false);
});

it('takes a broken connection for no refusal, but a fault of clawmesh for one', () => {
  const broken = [
    'read ECONNRESET',
    'Connection is closed.',
    'Command timed out',
    'connect ECONNREFUSED 127.0.0.1:6379',
  ];
  expect(broken.map((message) => isRefusal(new Error(message)))).toEqual([false, false, false, false]);
  expect([new TypeError('x is undefined'), new RefusedError('code -9')].map(isRefusal)).toEqual([true, true]);
});
