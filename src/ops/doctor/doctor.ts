import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import type { Mesh } from '../../client/mesh.ts';
import { openToOthers } from '../../config/env-file.ts';
import { stateFolder, unusableState } from '../../config/home.ts';
import type { Config } from '../../config/schema.ts';
import { secretValues } from '../../config/secret-values.ts';
import type { Clock } from '../../domain/clock.ts';
import { nearestExisting } from '../../platform/make-folder.ts';
import { type SnapshotSource, takeSnapshot } from '../snapshot.ts';
import { type CheckResult, fromError, ok, warning } from './check-result.ts';
import { checkClock, checkIdentity, checkMachine, type OpenClawHealth } from './machine-checks.ts';
import { checkMesh } from './mesh-checks.ts';
import { checkServer } from './redis-checks.ts';

/** A mesh whose Redis replies, even if that Redis does not meet the requirements. */
export type ReachedMesh = SnapshotSource & Pick<Mesh, 'config' | 'node' | 'pool' | 'task' | 'server' | 'events'>;

export interface Patient {
  readonly clock: Clock;
  /** @throws ClawmeshError `config`. */
  readonly loadConfig: () => { readonly config: Config; readonly file: string | undefined };
  readonly nodeId: () => string;
  readonly openclaw: (config: Config) => Promise<OpenClawHealth>;
  /** @throws ClawmeshError `redis`. */
  readonly reach: (config: Config) => Promise<ReachedMesh>;
}

/** Runs all checks that are possible from this machine; leaves out the others. */
export async function diagnose(patient: Patient): Promise<readonly CheckResult[]> {
  let config: Config;
  let nodeId: string;
  const found: CheckResult[] = [];
  try {
    const loaded = patient.loadConfig();
    nodeId = patient.nodeId();
    config = loaded.config;
    found.push(
      ok('config', loaded.file ?? 'no config file found: all settings have their defaults'),
      ...checkSecrets(loaded),
    );
  } catch (error) {
    return [fromError('config', error)];
  }
  // Awaited at the end; a check that throws must not hide the results of the others.
  const machine = checkMachine({ config, nodeId, openclaw: () => patient.openclaw(config) }).catch((error: unknown) => [
    fromError('machine', error),
  ]);
  found.push(checkState(config.mesh));
  try {
    const mesh = await patient.reach(config);
    found.push(...(await checkReached(mesh, nodeId, patient.clock)));
  } catch (error) {
    found.push(fromError('redis', error));
  }
  return [...found, ...(await machine)];
}

/** Whether this user can write state: undelivered results, the dashboard token, a private Redis. */
function checkState(mesh: string): CheckResult {
  try {
    const folder = stateFolder(mesh, process.env);
    const there = nearestExisting(folder);
    try {
      accessSync(there, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw unusableState(folder, error);
    }
    if (!statSync(there).isDirectory()) throw unusableState(folder, new Error(`${there} is a file`));
    return ok('state', `${folder} is writable`);
  } catch (error) {
    return fromError('state', error);
  }
}

/** Checks for secrets in a config that other users may read. */
function checkSecrets({ file, config }: ReturnType<Patient['loadConfig']>): readonly CheckResult[] {
  if (!file || !openToOthers(file)) return [];
  const text = readFileSync(file, 'utf8');
  if (!secretValues(config).some((secret) => secret !== '' && text.includes(secret))) return [];
  const fix = `move them to clawmesh.env in the same folder, and write ${'${NAME}'} in the config; or chmod 600 ${file}`;
  return [warning('config-secrets', `${file} contains secrets, and other users may read it`, fix)];
}

async function checkReached(mesh: ReachedMesh, nodeId: string, clock: Clock): Promise<readonly CheckResult[]> {
  const { config, server: redis } = mesh;
  const info = await redis.info();
  const setPolicy = () => redis.disableEviction();
  const server = [ok('redis', 'reachable from here'), ...checkServer(info, await redis.latencyMs(), setPolicy)];
  // A replica refuses the requests of the further checks.
  if (info.unfit.some(({ of }) => of === 'role')) return server;
  return [
    ...server,
    await checkClock(config, redis, clock),
    await checkIdentity(nodeId, mesh.node),
    ...(await checkMesh({
      config,
      clock,
      nodes: () => mesh.node.list(),
      findings: async () => (await takeSnapshot(mesh, clock)).findings,
      orphanedClaims: () => mesh.task.orphaned(),
      waiting: () => mesh.pool.inLine(),
      eventCount: () => mesh.events.count(),
      requeue: async () => (await mesh.task.requeueOrphaned()).length,
    })),
  ];
}
