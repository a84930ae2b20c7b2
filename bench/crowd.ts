import { beginBenchNode } from './node.ts';
import './with-parent.ts';

// Many whole nodes in one process for `scale.ts`: real heartbeats, sweeps, presence and claims, each with connections of its
// own. They serve the pool `crowd`, in which there is nothing to do.
const [url = '', from = '0', count = '1'] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  const nodeId = `crowd-${Number(from) + i}`;
  await beginBenchNode({ url, nodeId, hasProvider: false, pools: { crowd: 2 }, work: async () => {} });
}
process.send?.({ type: 'ready' });
