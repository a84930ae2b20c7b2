import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Redis } from 'ioredis';
import { openToOthers } from '../../config/env-file.ts';
import { stateFolder, unusableState } from '../../config/home.ts';
import type { Config } from '../../config/schema.ts';
import { secretValues } from '../../config/secret-values.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { requeueVoidClaims } from '../../queue/bullmq/requeue.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { ServerInfo } from '../../redis/server-info.ts';
import { findVoidClaims } from '../../registry/void-claims.ts';
import { takeSnapshot } from '../snapshot.ts';
import { type Diagnosis, failed, ok, warning } from './diagnosis.ts';
import { checkClock, checkIdentity, checkMachine, type OpenClawHealth } from './machine-checks.ts';
import { checkMesh } from './mesh-checks.ts';
import { checkServer } from './redis-checks.ts';

const PINGS = 9;

/** A mesh whose Redis answers, whether or not it is fit to carry one. */
export type ReachedMesh = Parameters<typeof takeSnapshot>[0] & {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: MeshKeys;
};

export interface Patient {
  /** @throws ClawmeshError `config`. */
  readonly loadConfig: () => { readonly config: Config; readonly file: string | undefined };
  readonly nodeId: () => string;
  readonly openclaw: (config: Config) => Promise<OpenClawHealth>;
  /** @throws ClawmeshError `redis`. */
  readonly reach: (config: Config) => Promise<ReachedMesh>;
}

/** Looks at everything that can be wrong, as seen from this machine; what can't be looked at is left out. */
export async function diagnose(patient: Patient): Promise<readonly Diagnosis[]> {
  let config: Config;
  let nodeId: string;
  const found: Diagnosis[] = [];
  try {
    const loaded = patient.loadConfig();
    nodeId = patient.nodeId();
    config = loaded.config;
    found.push(ok('config', loaded.file ?? 'no config file anywhere: all defaults'), ...checkSecrets(loaded));
  } catch (error) {
    return [fromError('config', error)];
  }
  // Awaited at the end; a check that throws must not hide what the others find.
  const machine = checkMachine({ config, nodeId, openclaw: () => patient.openclaw(config) }).catch((error: unknown) => [
    fromError('machine', error),
  ]);
  found.push(checkState(config.mesh));
  try {
    const mesh = await patient.reach(config);
    found.push(...(await checkReached(mesh, nodeId)));
  } catch (error) {
    found.push(fromError('redis', error));
  }
  return [...found, ...(await machine)];
}

/** Whether this user can keep anything: outcomes that Redis does not take, the dashboard's token, a private Redis. */
function checkState(mesh: string): Diagnosis {
  try {
    const folder = stateFolder(mesh, process.env);
    let there = folder;
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
    try {
      accessSync(there, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw unusableState(folder, error);
    }
    if (!statSync(there).isDirectory()) throw unusableState(folder, new Error(`${there} is a file`));
    return ok('state', `${folder} can be written`);
  } catch (error) {
    return fromError('state', error);
  }
}

/** Secrets that stand in a config which others may read. */
function checkSecrets({ file, config }: ReturnType<Patient['loadConfig']>): readonly Diagnosis[] {
  if (!file || !openToOthers(file)) return [];
  const text = readFileSync(file, 'utf8');
  if (!secretValues(config).some((secret) => secret !== '' && text.includes(secret))) return [];
  const fix = `put them into clawmesh.env beside it, as ${'${NAME}'} in the config; or chmod 600 ${file}`;
  return [warning('config-secrets', `${file} has secrets in it, and others may read it`, fix)];
}

async function checkReached(mesh: ReachedMesh, nodeId: string): Promise<readonly Diagnosis[]> {
  const { config, redis, keys, registry, reader } = mesh;
  const info = await ServerInfo.of(redis);
  const setPolicy = () => redis.config('SET', 'maxmemory-policy', 'noeviction');
  const server = [ok('redis', 'reachable from here'), ...checkServer(info, await latency(redis), setPolicy)];
  // A replica refuses what the rest takes.
  if (info.unfit.some(({ of }) => of === 'role')) return server;
  const { maxHandovers, visibilityTimeout: visibilityTimeoutMs } = config.queue;
  return [
    ...server,
    await checkClock(config, registry),
    await checkIdentity(nodeId, registry),
    ...(await checkMesh({
      config,
      nodes: () => registry.list(),
      problems: async () => (await takeSnapshot(mesh)).snapshot.problems,
      voidClaims: () => findVoidClaims(redis, keys),
      waiting: () => reader.inLine(),
      eventCount: () => redis.xlen(keys.events),
      putBack: async () => (await requeueVoidClaims(redis, keys, { visibilityTimeoutMs, maxHandovers })).length,
    })),
  ];
}

/** The median of some round trips, ms. */
async function latency(redis: Redis): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const before = performance.now();
    await redis.ping();
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return Math.round((times[PINGS >> 1] ?? 0) * 10) / 10;
}

function fromError(check: string, error: unknown): Diagnosis {
  const fix = error instanceof ClawmeshError ? error.remedy : undefined;
  return failed(check, messageOf(error), fix ?? 'see the message');
}
