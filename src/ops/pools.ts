import type { PoolCounts, TaskReader } from '../queue/bullmq/task-reader.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** A pool as `pool list --json` prints it. */
export interface PoolView extends PoolCounts {
  readonly name: string;
  /** Nodes that are up and serve it. */
  readonly nodes: readonly string[];
  /** Tasks at once on those nodes together. */
  readonly concurrency: number;
  readonly running: number;
}

/** All pools that were ever used or served, with who serves them now. */
export async function viewPools(mesh: { reader: TaskReader; registry: NodeRegistry }): Promise<PoolView[]> {
  const [counts, nodes] = await Promise.all([
    mesh.reader.pools().then((pools) => mesh.reader.counts(pools)),
    mesh.registry.list(),
  ]);
  return [...counts].map(([name, count]) => {
    const serving = nodes.filter((node) => name in node.pools && node.state === 'up');
    const sum = (what: 'concurrency' | 'running') =>
      serving.reduce((total, node) => total + (node.pools[name]?.[what] ?? 0), 0);
    return {
      name,
      ...count,
      nodes: serving.map(({ id }) => id),
      concurrency: sum('concurrency'),
      running: sum('running'),
    };
  });
}
