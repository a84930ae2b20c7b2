import type { Circuit } from '../domain/circuit.ts';
import type { Node, NodeState } from '../domain/node.ts';
import type { PoolCounts, TaskReader } from '../queue/task-reader.ts';
import { type UsageSum, usageOn } from '../queue/usage.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** Something a person should do something about. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly what: string;
  readonly fix: string;
}

/** The mesh at one moment, as `status --json` prints it (CLI.md). */
export interface Snapshot {
  readonly mesh: string;
  readonly redis: { readonly ok: boolean; readonly latencyMs: number };
  readonly nodes: Readonly<Record<Exclude<NodeState, 'stopped'>, number>>;
  readonly pools: Readonly<Record<string, PoolCounts>>;
  /** What completed tasks have used today (UTC). */
  readonly usageToday: Omit<UsageSum, 'agent' | 'model'>;
  /** Providers in trouble, whose tasks are held back. */
  readonly circuits: readonly Circuit[];
  readonly problems: readonly Problem[];
}

/** Reads the state of the whole mesh. */
export async function takeSnapshot(mesh: {
  config: { mesh: string };
  reader: TaskReader;
  registry: NodeRegistry;
  circuits(): Promise<Circuit[]>;
  usage(): Promise<UsageSum[]>;
}): Promise<{ snapshot: Snapshot; nodes: Node[] }> {
  const askedAt = performance.now();
  const pools = await mesh.reader.pools();
  const latencyMs = Math.round((performance.now() - askedAt) * 10) / 10;
  const [nodes, counts, circuits, usage, now] = await Promise.all([
    mesh.registry.list(),
    mesh.reader.counts(pools),
    mesh.circuits(),
    mesh.usage(),
    mesh.registry.redisTime(),
  ]);
  const inState = (state: NodeState) => nodes.filter((node) => node.state === state).length;
  return {
    nodes,
    snapshot: {
      mesh: mesh.config.mesh,
      redis: { ok: true, latencyMs },
      nodes: { up: inState('up'), gated: inState('gated'), draining: inState('draining'), dead: inState('dead') },
      pools: Object.fromEntries(counts),
      usageToday: usageOn(usage, now),
      circuits: circuits.filter((circuit) => circuit.openedAt !== null),
      problems: findProblems(nodes, counts, circuits),
    },
  };
}

/** What is wrong, worst first. */
export function findProblems(
  nodes: readonly Node[],
  pools: ReadonlyMap<string, PoolCounts>,
  circuits: readonly Circuit[],
): Problem[] {
  const problems: Problem[] = [];
  for (const { name, kind, message, openedAt } of circuits) {
    if (openedAt === null) continue;
    problems.push({
      severity: 'error',
      what: `tasks of ${name === 'default' ? 'the default model' : name} are held back since ${openedAt}: ${kind}: ${message}`,
      fix: 'nothing if the provider recovers; one task at a time tries it. Else see its status page, keys and limits',
    });
  }
  const up = nodes.filter((node) => node.state === 'up');
  for (const [pool, counts] of pools) {
    if (counts.waiting > 0 && !up.some((node) => pool in node.pools)) {
      problems.push({
        severity: 'error',
        what: `${counts.waiting} tasks wait in pool ${pool}, which no node that is up serves`,
        fix: `start a node with pool ${pool} (node.pools in the config), or see why it is gated`,
      });
    }
  }
  for (const node of nodes) {
    if (node.state === 'dead') {
      problems.push({
        severity: 'error',
        what: `node ${node.id} is dead`,
        fix: `look at ${node.host}: power, network, launchd; then clawmesh node run`,
      });
    }
    for (const gate of node.state === 'gated' ? node.gates.filter((candidate) => !candidate.open) : []) {
      problems.push({
        severity: 'warning',
        what: `node ${node.id} takes no tasks: ${gate.reason}`,
        fix: `see clawmesh node show ${node.id}`,
      });
    }
  }
  for (const [pool, counts] of pools) {
    if (counts.paused) {
      problems.push({
        severity: 'warning',
        what: `pool ${pool} is paused`,
        fix: `clawmesh pool resume ${pool} when you are ready`,
      });
    }
    if (counts.failed > 0) {
      problems.push({
        severity: 'warning',
        what: `${counts.failed} failed tasks in pool ${pool}`,
        fix: `see clawmesh task list --state failed --pool ${pool}`,
      });
    }
  }
  return problems.sort((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}
