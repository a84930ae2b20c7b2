import type { SeenNode } from '../domain/node.ts';
import { humanDuration } from '../domain/units.ts';
import type { Trouble } from './alert-rules.ts';

const DAY_MS = 86_400_000;

/** What there is to tell of how things stand, rather than of what happened: each trouble, whether it is there or not. */
export function standingTroubles(now: {
  readonly nodes: readonly SeenNode[];
  /** How long the first in line of each pool has waited, ms; 0 where none waits, or the pool is paused. */
  readonly waitedMs: ReadonlyMap<string, number>;
  /** From when on that is too long, ms; 0 for never. */
  readonly tooLongMs: number;
}): readonly Trouble[] {
  const { nodes, waitedMs, tooLongMs } = now;
  const queues = [...waitedMs].map(([pool, ms]) =>
    tooLongMs > 0 && ms > tooLongMs
      ? standing('queue-old', pool, {
          text: `tasks of pool ${pool} have waited for ${humanDuration(ms)}`,
          fix: 'clawmesh status tells whether nodes serve it and why they take nothing; else add slots or nodes',
        })
      : standing('queue-old', pool, { over: `pool ${pool} keeps up again` }),
  );
  const here = nodes.filter(({ state }) => state !== 'stopped');
  const noNodes = here.some(({ state }) => state === 'up')
    ? standing('no-nodes', 'mesh', { over: 'a node takes tasks again' })
    : standing('no-nodes', 'mesh', {
        text: `no node takes tasks: ${here.map(({ id, state }) => `${id} is ${state}`).join(', ') || 'none is there'}`,
        fix: 'clawmesh node list tells why; clawmesh node resume, or start them',
      });
  return [...queues, noNodes];
}

function standing(
  kind: 'queue-old' | 'no-nodes',
  subject: string,
  what: { readonly text: string; readonly fix: string } | { readonly over: string },
): Trouble {
  if ('over' in what) return { kind, subject, state: 'resolved', text: what.over, fix: null, quietMs: 0 };
  return { kind, subject, state: 'firing', ...what, quietMs: DAY_MS };
}
