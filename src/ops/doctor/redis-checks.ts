import type { ServerInfo } from '../../redis/server-info.ts';
import { MINIMUM_VERSION } from '../../redis/server-info.ts';
import { type Diagnosis, failed, ok, warning } from './diagnosis.ts';

/** More than this between two machines of one network is unusual, ms; claims and reports wait for it. */
const SLOW_MS = 20;
/** Shares of a limit from which on it's tight, and from which on trouble is near. */
const TIGHT = 0.8;
const NEARLY_FULL = 0.95;

/** What a Redis says of itself, and how long it takes to answer (ms, the median of some). */
export function checkServer(
  info: ServerInfo,
  latencyMs: number,
  setPolicy: () => Promise<unknown>,
): readonly Diagnosis[] {
  return [
    checkVersion(info),
    checkRole(info),
    checkPolicy(info, setPolicy),
    checkPersistence(info),
    checkMemory(info),
    checkClients(info),
    latencyMs > SLOW_MS
      ? warning('redis-latency', `Redis answers after ${latencyMs} ms`, 'look at the network between, and at its load')
      : ok('redis-latency', `Redis answers after ${latencyMs} ms`),
  ];
}

function checkVersion({ version, isSupported }: ServerInfo): Diagnosis {
  if (isSupported) return ok('redis-version', `Redis ${version}`);
  return failed(
    'redis-version',
    `Redis ${version || 'of unknown version'} is too old`,
    `use Redis ${MINIMUM_VERSION.join('.')} or newer, or Valkey`,
  );
}

function checkRole({ text }: ServerInfo): Diagnosis {
  if (text('role') !== 'slave') return ok('redis-role', `primary, with ${text('connected_slaves') || '0'} replicas`);
  return failed(
    'redis-role',
    'this Redis is a read-only replica',
    'point redis.url at the primary, or use redis.sentinels so that it is found',
  );
}

function checkPolicy({ text }: ServerInfo, setPolicy: () => Promise<unknown>): Diagnosis {
  const policy = text('maxmemory_policy');
  if (policy === '' || policy === 'noeviction') return ok('redis-policy', 'Redis throws no tasks away');
  return {
    ...failed(
      'redis-policy',
      `Redis may throw tasks away: maxmemory-policy is ${policy}`,
      'redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf',
    ),
    repair: async () => {
      await setPolicy();
      return 'maxmemory-policy is noeviction until Redis is started again; set it in redis.conf, too';
    },
  };
}

function checkPersistence({ text }: ServerInfo): Diagnosis {
  if (text('aof_enabled') === '1') {
    if (text('aof_last_write_status') === 'ok') return ok('redis-persistence', 'append-only file, last write ok');
    return failed(
      'redis-persistence',
      'Redis could not write its append-only file',
      "look at the disk and the log of Redis' machine",
    );
  }
  if (text('rdb_last_bgsave_status') === 'err') {
    return failed(
      'redis-persistence',
      'the last save to disk failed',
      "look at the disk and the log of Redis' machine",
    );
  }
  return warning(
    'redis-persistence',
    'the append-only file is off: a crash of Redis loses all tasks since its last snapshot',
    'set appendonly yes in redis.conf (redis-cli CONFIG SET appendonly yes does it at once)',
  );
}

function checkMemory({ number }: ServerInfo): Diagnosis {
  const limit = number('maxmemory') || number('total_system_memory');
  const share = limit > 0 ? number('used_memory') / limit : 0;
  const evidence = `Redis uses ${Math.round(share * 100)} % of ${number('maxmemory') ? 'its maxmemory' : 'the memory of its machine'}`;
  const fix = 'raise maxmemory, or keep ended tasks for a shorter time (queue.keep)';
  if (share > NEARLY_FULL) return failed('redis-memory', evidence, fix);
  return share > TIGHT ? warning('redis-memory', evidence, fix) : ok('redis-memory', evidence);
}

function checkClients({ number }: ServerInfo): Diagnosis {
  const [clients, most] = [number('connected_clients'), number('maxclients')];
  const evidence = `${clients} of ${most || 'unlimited'} connections`;
  if (most > 0 && clients / most > TIGHT) {
    return warning('redis-connections', evidence, 'raise maxclients; see CLIENT LIST for who has so many');
  }
  return ok('redis-connections', evidence);
}
