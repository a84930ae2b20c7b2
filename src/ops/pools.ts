import type { Mesh } from '../client/mesh.ts';
import type { PoolCounts } from '../domain/pool-counts.ts';

/** A pool as `pool list --json` prints it. */
export interface PoolView extends PoolCounts {
  /** Name of the pool. */
  readonly name: string;
  /** Nodes that are up and serve it. */
  readonly nodes: readonly string[];
  /** Maximum number of tasks at once on those nodes together. */
  readonly concurrency: number;
  /** Number of running tasks on those nodes together. */
  readonly running: number;
}

/** All pools that were ever used or served, with the nodes that serve them now. */
export async function viewPools(mesh: Pick<Mesh, 'node' | 'pool'>): Promise<PoolView[]> {
  const [counts, nodes] = await Promise.all([mesh.pool.counts(), mesh.node.list()]);
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
