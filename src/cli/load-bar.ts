import { type Node, slotsOf } from '../domain/node.ts';

const BAR_WIDTH = 8;

/** A bar of the node's used slots, readable at a glance; a dash for a dead node, whose tasks have moved on. */
export function loadBar({ state, pools, running, maxTasks }: Node): string {
  if (state === 'dead') return '-';
  const slots = slotsOf(
    Object.values(pools).map(({ concurrency }) => concurrency),
    maxTasks,
  );
  const width = Math.min(slots, BAR_WIDTH);
  const filled = Math.min(width, Math.ceil((running.length / Math.max(1, slots)) * width));
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${running.length}/${slots}`;
}
