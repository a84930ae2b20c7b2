import { counted } from '../../domain/counted.ts';
import type { Finding } from '../../domain/finding.ts';
import type { ServerInfo } from '../../redis/server-info.ts';
import { type CheckResult, failed, found, ok, warning } from './check-result.ts';

/** A higher latency is unusual between two machines in the same network, ms. It delays claims and reports. */
const SLOW_MS = 20;
/** Shares of a limit: above the first, a warning; above the second, a failure. */
const TIGHT = 0.8;
const NEARLY_FULL = 0.95;

/** Checks a Redis by its own report, and by its latency (ms, the median of several round trips). */
export function checkServer(
  info: ServerInfo,
  latencyMs: number,
  setPolicy: () => Promise<unknown>,
): readonly CheckResult[] {
  return [
    ...checkFitness(info, setPolicy),
    checkPersistence(info),
    checkMemory(info),
    checkClients(info),
    latencyMs > SLOW_MS
      ? warning(
          'redis-latency',
          `a round trip to Redis takes ${latencyMs} ms`,
          'check the network to Redis, and the load on its machine',
        )
      : ok('redis-latency', `a round trip to Redis takes ${latencyMs} ms`),
  ];
}

/** Why this server can't carry the mesh now; empty if it can. */
export function faultsOf(info: ServerInfo): Finding[] {
  const failures = [checkPersistence(info), checkMemory(info)].filter(({ state }) => state === 'failed');
  const faults = failures.map(({ evidence, fix }) => ({
    severity: 'error' as const,
    problem: evidence,
    remedy: fix ?? 'see clawmesh doctor',
  }));
  return [...info.unfit, ...faults];
}

/** The requirements of a mesh; the eviction policy can be fixed from here. */
function checkFitness(info: ServerInfo, setPolicy: () => Promise<unknown>): readonly CheckResult[] {
  const fine = {
    version: `Redis ${info.version}`,
    role: `primary, with ${counted(info.number('connected_slaves'), 'replica')}`,
    policy: 'Redis evicts no tasks',
  };
  return (['version', 'role', 'policy'] as const).map((of) => {
    const unfit = info.unfit.find((one) => one.of === of);
    if (!unfit) return ok(`redis-${of}`, fine[of]);
    const result = found(`redis-${of}`, unfit);
    return of === 'policy' ? { ...result, repair: () => mendPolicy(setPolicy) } : result;
  });
}

async function mendPolicy(setPolicy: () => Promise<unknown>): Promise<string> {
  await setPolicy();
  return 'maxmemory-policy is noeviction until Redis restarts; also set it in redis.conf';
}

function checkPersistence({ text }: ServerInfo): CheckResult {
  if (text('aof_enabled') === '1') {
    if (text('aof_last_write_status') === 'ok') return ok('redis-persistence', 'append-only file, last write ok');
    return failed(
      'redis-persistence',
      'Redis could not write its append-only file',
      'check the disk and the log of the Redis machine',
    );
  }
  if (text('rdb_last_bgsave_status') === 'err') {
    return failed(
      'redis-persistence',
      'the last save to disk failed',
      'check the disk and the log of the Redis machine',
    );
  }
  return warning(
    'redis-persistence',
    'the append-only file is off: a crash of Redis loses all changes since its last snapshot',
    'set appendonly yes in redis.conf (redis-cli CONFIG SET appendonly yes applies it at once)',
  );
}

function checkMemory({ number }: ServerInfo): CheckResult {
  const limit = number('maxmemory') || number('total_system_memory');
  const share = limit > 0 ? number('used_memory') / limit : 0;
  const evidence = `Redis uses ${Math.round(share * 100)} % of ${number('maxmemory') ? 'its maxmemory' : 'the memory of its machine'}`;
  const fix = 'raise maxmemory, or keep ended tasks for a shorter time (queue.retention)';
  if (share > NEARLY_FULL) return failed('redis-memory', evidence, fix);
  return share > TIGHT ? warning('redis-memory', evidence, fix) : ok('redis-memory', evidence);
}

function checkClients({ number }: ServerInfo): CheckResult {
  const [clients, most] = [number('connected_clients'), number('maxclients')];
  const evidence = `${clients} of ${most || 'unlimited'} connections`;
  if (most > 0 && clients / most > TIGHT) {
    return warning(
      'redis-connections',
      evidence,
      'raise maxclients; CLIENT LIST shows which clients use many connections',
    );
  }
  return ok('redis-connections', evidence);
}
