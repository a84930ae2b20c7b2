import { configDigest } from '../../config/digest.ts';
import { leaseMs } from '../../config/lease.ts';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Node } from '../../domain/node.ts';
import { isThere } from '../../domain/node-state.ts';
import { humanDuration } from '../../domain/units.ts';
import type { OrphanedClaim } from '../../registry/orphaned-claims.ts';
import type { Problem } from '../problems.ts';
import { type Diagnosis, failed, ok, warning } from './diagnosis.ts';

/**
 * Nodes requeue orphaned claims every 5 s, and claim within a second; a state seen twice at this distance persists, ms.
 */
const TWICE_MS = 6_000;
/** The event log is trimmed at about 10,000 entries. */
const LONG_STREAM = 20_000;

/** The facts behind the checks of the mesh; each call reads them again. */
export interface MeshFacts {
  readonly config: Config;
  readonly clock: Clock;
  nodes(): Promise<readonly Node[]>;
  problems(): Promise<readonly Problem[]>;
  orphanedClaims(): Promise<readonly OrphanedClaim[]>;
  /** Number of tasks that any node may claim, by pool that is not paused. */
  waiting(): Promise<ReadonlyMap<string, number>>;
  eventCount(): Promise<number>;
  requeue(): Promise<number>;
}

/** Checks the mesh as a whole. */
export async function checkMesh(facts: MeshFacts): Promise<readonly Diagnosis[]> {
  const nodes = (await facts.nodes()).filter(({ state }) => isThere(state));
  const problems = await facts.problems();
  const wrong = problems.filter(({ severity }) => severity !== 'notice');
  const notices = problems.filter(({ severity }) => severity === 'notice');
  const nobody = nodes.length === 0 ? [warning('mesh', 'no node is up', 'clawmesh node run on each Mac')] : [];
  return [
    ...nobody,
    ...(wrong.length + nobody.length === 0
      ? [ok('mesh', `${nodes.length} nodes, nothing wrong`)]
      : wrong.map(fromProblem)),
    ...notices.map(({ what }) => ok('mesh', what)),
    checkDigest(facts.config, nodes),
    ...checkFailover(facts.config, nodes),
    await checkClaims(facts, nodes.length > 0),
    await checkSpread(facts),
    await checkEvents(facts),
  ];
}

function fromProblem({ severity, what, fix }: Problem): Diagnosis {
  return (severity === 'error' ? failed : warning)('mesh', what, fix);
}

function checkDigest(config: Config, nodes: readonly Node[]): Diagnosis {
  const own = configDigest(config);
  const others = Map.groupBy(nodes, (node) => node.configDigest);
  const different = [...others].filter(([digest]) => digest !== own);
  if (different.length === 0) return ok('config-drift', `config ${own}, here and on all nodes that are up`);
  const who = different.map(([digest, group]) => `${group.map(({ id }) => id).join(', ')} (${digest})`);
  return warning(
    'config-drift',
    `the config here (${own}) is not that of ${who.join('; ')}`,
    'roll the same file out to all, and restart those that have the old one (or SIGHUP)',
  );
}

function checkFailover(config: Config, nodes: readonly Node[]): readonly Diagnosis[] {
  const up = nodes.filter(({ state }) => state === 'up');
  const pools = new Set(up.flatMap((node) => Object.keys(node.pools)));
  const alone = [...pools].flatMap((pool) => {
    const serving = up.filter((node) => pool in node.pools);
    return serving.length === 1 ? [{ pool, node: serving[0]?.id }] : [];
  });
  if (alone.length === 0) {
    const { heartbeatInterval, missedHeartbeats, crashGrace } = config.health;
    const missed = `${missedHeartbeats} × ${humanDuration(heartbeatInterval)}`;
    return [
      ok(
        'failover',
        `a crash is noticed after ${humanDuration(crashGrace)}, a lost Mac after ${missed} = ${humanDuration(leaseMs(config))}`,
      ),
    ];
  }
  return alone.map(({ pool, node }) =>
    warning(
      'failover',
      `only ${node} serves pool ${pool}: nobody could take over`,
      `add pool ${pool} to a second node`,
    ),
  );
}

/** Checks for active tasks that no node can be running. */
async function checkClaims(facts: MeshFacts, anyoneUp: boolean): Promise<Diagnosis> {
  let found = await facts.orphanedClaims();
  if (found.length > 0 && anyoneUp) {
    await facts.clock.sleep(TWICE_MS);
    const again = new Set((await facts.orphanedClaims()).map(({ taskId }) => taskId));
    found = found.filter(({ taskId }) => again.has(taskId));
  }
  if (found.length === 0) return ok('claims', 'every running task has a node that runs it');
  const names = found.slice(0, 3).map(({ taskId, owner }) => `${taskId} (${owner ?? 'lapsed'})`);
  return {
    ...failed(
      'claims',
      `${found.length} tasks are held by nodes that are gone: ${names.join(', ')}`,
      anyoneUp ? 'doctor --fix requeues them; the logs say why no node does' : 'start a node: it requeues them',
    ),
    repair: async () => `${await facts.requeue()} tasks were requeued`,
  };
}

/** Checks for nodes that take no tasks although they could, while tasks wait. */
async function checkSpread(facts: MeshFacts): Promise<Diagnosis> {
  const first = await idleThoughWorkWaits(facts);
  if (first.size === 0) return ok('spread', 'no node is idle while tasks wait for it');
  await facts.clock.sleep(TWICE_MS);
  const again = await idleThoughWorkWaits(facts);
  const stuck = [...first].filter((id) => again.has(id));
  if (stuck.length === 0) return ok('spread', 'no node is idle while tasks wait for it');
  return failed(
    'spread',
    `${stuck.join(', ')} has free slots and takes nothing, though tasks wait in its pools`,
    'look at its log: does it claim from the same Redis, database and mesh? clawmesh node show tells its pools',
  );
}

async function idleThoughWorkWaits(facts: MeshFacts): Promise<ReadonlySet<string>> {
  const [nodes, waiting] = await Promise.all([facts.nodes(), facts.waiting()]);
  const idle = nodes.filter(
    (node) =>
      node.state === 'up' &&
      node.running.length === 0 &&
      Object.keys(node.pools).some((pool) => (waiting.get(pool) ?? 0) > 0),
  );
  return new Set(idle.map(({ id }) => id));
}

async function checkEvents({ eventCount }: MeshFacts): Promise<Diagnosis> {
  const count = await eventCount();
  if (count <= LONG_STREAM) return ok('events', `${count} events are kept`);
  return warning(
    'events',
    `${count} events are kept, of which 10,000 would do`,
    'see whether another program writes to it',
  );
}
