import type { Node } from '../domain/node.ts';

const BAR_WIDTH = 8;

/** How many of its slots a node has in use, to be seen from afar; a dash for one that is dead, whose tasks have gone. */
export function loadBar({ state, pools, running, maxTasks = Number.POSITIVE_INFINITY }: Node): string {
  if (state === 'dead') return '-';
  const inPools = Object.values(pools).reduce((sum, { concurrency }) => sum + concurrency, 0);
  const slots = Math.min(inPools, maxTasks);
  const width = Math.min(slots, BAR_WIDTH);
  const filled = Math.min(width, Math.ceil((running.length / Math.max(1, slots)) * width));
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${running.length}/${slots}`;
}
