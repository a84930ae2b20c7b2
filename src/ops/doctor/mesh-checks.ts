import { configDigest } from '../../config/digest.ts';
import { leaseMs } from '../../config/lease.ts';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';
import { counted } from '../../domain/counted.ts';
import type { Finding } from '../../domain/finding.ts';
import type { Node } from '../../domain/node.ts';
import { isThere } from '../../domain/node-state.ts';
import { humanDuration } from '../../domain/units.ts';
import type { OrphanedClaim } from '../../registry/orphaned-claims.ts';
import { type CheckResult, failed, found, ok, warning } from './check-result.ts';

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
  findings(): Promise<readonly Finding[]>;
  orphanedClaims(): Promise<readonly OrphanedClaim[]>;
  /** Number of tasks that any node may claim, by pool that is not paused. */
  waiting(): Promise<ReadonlyMap<string, number>>;
  eventCount(): Promise<number>;
  requeue(): Promise<number>;
}

/** Checks the mesh as a whole. */
export async function checkMesh(facts: MeshFacts): Promise<readonly CheckResult[]> {
  const nodes = (await facts.nodes()).filter(({ state }) => isThere(state));
  const findings = await facts.findings();
  const isWrong = nodes.length === 0 || findings.some(({ severity }) => severity !== 'notice');
  const noNode = nodes.length === 0 ? [warning('mesh', 'no node is up', 'run clawmesh node run on each Mac')] : [];
  return [
    ...noNode,
    ...(isWrong ? [] : [ok('mesh', `${counted(nodes.length, 'node')}, no problems`)]),
    ...findings.map((finding) => found('mesh', finding)),
    checkDigest(facts.config, nodes),
    ...checkFailover(facts.config, nodes),
    await checkClaims(facts, nodes.length > 0),
    await checkSpread(facts),
    await checkEvents(facts),
  ];
}

function checkDigest(config: Config, nodes: readonly Node[]): CheckResult {
  const own = configDigest(config);
  const others = Map.groupBy(nodes, (node) => node.configDigest);
  const different = [...others].filter(([digest]) => digest !== own);
  if (different.length === 0) return ok('config-drift', `config ${own}, here and on all nodes that are up`);
  const who = different.map(([digest, group]) => `${group.map(({ id }) => id).join(', ')} (${digest})`);
  return warning(
    'config-drift',
    `the config here (${own}) differs from the config of ${who.join('; ')}`,
    'roll out the same file to all nodes, and restart the nodes that have the old one (or send SIGHUP)',
  );
}

function checkFailover(config: Config, nodes: readonly Node[]): readonly CheckResult[] {
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
      `only ${node} serves pool ${pool}: no other node could take over`,
      `add pool ${pool} to a second node`,
    ),
  );
}

/** Checks for active tasks that no node can be running. */
async function checkClaims(facts: MeshFacts, anyNodeUp: boolean): Promise<CheckResult> {
  let orphaned = await facts.orphanedClaims();
  if (orphaned.length > 0 && anyNodeUp) {
    await facts.clock.sleep(TWICE_MS);
    const again = new Set((await facts.orphanedClaims()).map(({ taskId }) => taskId));
    orphaned = orphaned.filter(({ taskId }) => again.has(taskId));
  }
  if (orphaned.length === 0) return ok('claims', 'no claim is orphaned');
  const names = orphaned.slice(0, 3).map(({ taskId, owner }) => `${taskId} (${owner ?? 'lapsed'})`);
  return {
    ...failed(
      'claims',
      `${counted(orphaned.length, 'claim')} ${orphaned.length === 1 ? 'is' : 'are'} orphaned: ${names.join(', ')}`,
      anyNodeUp
        ? 'clawmesh doctor --fix requeues the tasks; the node logs show why no node did'
        : 'start a node: it requeues the tasks',
    ),
    repair: async () => `requeued ${counted(await facts.requeue(), 'task')}`,
  };
}

/** Checks for idle nodes that claim no tasks although tasks wait in their pools. */
async function checkSpread(facts: MeshFacts): Promise<CheckResult> {
  const first = await idleThoughWorkWaits(facts);
  if (first.size === 0) return ok('spread', 'no node is idle while tasks wait for it');
  await facts.clock.sleep(TWICE_MS);
  const again = await idleThoughWorkWaits(facts);
  const stuck = [...first].filter((id) => again.has(id));
  if (stuck.length === 0) return ok('spread', 'no node is idle while tasks wait for it');
  return failed(
    'spread',
    `idle although tasks wait in their pools: ${stuck.join(', ')}`,
    'check the log of the node: does it use the same Redis, database and mesh? clawmesh node show lists its pools',
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

async function checkEvents({ eventCount }: MeshFacts): Promise<CheckResult> {
  const count = await eventCount();
  if (count <= LONG_STREAM) return ok('events', `the event log keeps ${counted(count, 'event')}`);
  return warning(
    'events',
    `the event log keeps ${count} events instead of about 10,000`,
    'check whether another program writes to it',
  );
}
