import type { AlertKind } from '../domain/alert.ts';
import type { MeshEventName } from '../domain/mesh-event.ts';
import type { SeenNode } from '../domain/node.ts';
import { humanDuration } from '../domain/units.ts';
import type { MeshEvent } from '../registry/event-log.ts';

/** Deaths of a node within {@link REPEATED_MS} that raise an alert of their own. */
export const REPEATED = 3;
export const REPEATED_MS = 3_600_000;

/** A condition that an alert reports; it fires, and may be resolved later. */
export interface AlertCondition {
  readonly kind: AlertKind;
  readonly subject: string;
  readonly state: 'firing' | 'resolved';
  readonly text: string;
  readonly fix: string | null;
  /** How long the same condition is not reported again, ms. */
  readonly quietMs: number;
}

const DAY_MS = 86_400_000;
const TEN_MINUTES_MS = 600_000;

/** The conditions that an event begins or ends; `deaths`: how often its node has died lately. */
export function conditionsOf(event: MeshEvent, deaths: number): readonly AlertCondition[] {
  const { node, circuit, pool, task, reason } = event;
  switch (event.event as MeshEventName) {
    case 'node-dead':
      return [
        firing(
          'node-dead',
          node,
          DAY_MS,
          `node ${node} is dead (${reason ?? 'unknown'})`,
          'check its power, network and service',
        ),
        ...(deaths >= REPEATED
          ? [
              firing(
                'repeated-failover',
                node,
                REPEATED_MS,
                `node ${node} has died ${deaths} times within an hour`,
                `clawmesh node drain ${node}; then check its log, and clawmesh handovers --node ${node}`,
              ),
            ]
          : []),
      ];
    case 'node-up':
      return [resolved('node-dead', node, `node ${node} is up again`)];
    case 'node-forgotten':
      return [resolved('node-dead', node, `node ${node} was forgotten`)];
    case 'circuit-opened':
      return [
        firing(
          'circuit-open',
          circuit,
          DAY_MS,
          `tasks of ${circuit} are held: ${reason ?? ''}`,
          "check the provider's status page, keys and limits; the tasks continue once it recovers",
        ),
      ];
    case 'circuit-closed':
      return [resolved('circuit-open', circuit, `tasks of ${circuit} continue`)];
    case 'dead-letter':
      return [
        firing(
          'dead-letter',
          pool,
          TEN_MINUTES_MS,
          `task ${task} has failed for good: ${reason ?? ''}`,
          `clawmesh task show ${task}; for 10 minutes, no further dead letter in pool ${pool} sends an alert`,
        ),
      ];
    case 'delivery-failed':
      return [
        firing(
          'delivery-failed',
          pool,
          TEN_MINUTES_MS,
          `the answer of task ${task} did not reach its recipient: ${reason ?? ''}`,
          `clawmesh task show ${task}; then clawmesh task deliver ${task}`,
        ),
      ];
    case 'repeated-failover':
      return [
        firing(
          'repeated-failover',
          task,
          DAY_MS,
          `task ${task} was lost with its node for the third time, last with ${node} (${reason ?? 'unknown'})`,
          `clawmesh task show ${task}; if the task brings its nodes down: clawmesh task cancel ${task}`,
        ),
      ];
    default:
      return [];
  }
}

function firing(kind: AlertKind, subject: string | null, quietMs: number, text: string, fix: string): AlertCondition {
  return { kind, subject: subject ?? '', state: 'firing', text, fix, quietMs };
}

function resolved(kind: AlertKind, subject: string | null, text: string): AlertCondition {
  return { kind, subject: subject ?? '', state: 'resolved', text, fix: null, quietMs: 0 };
}

/**
 * The conditions that follow from the current state of the mesh rather than from an event; each is listed whether it
 * fires or not.
 */
export function currentConditions(now: {
  readonly nodes: readonly SeenNode[];
  /** How long the first in line of each pool has waited, ms; 0 if no task waits, or the pool is paused. */
  readonly waitedMs: ReadonlyMap<string, number>;
  /** A longer wait than this fires, ms; 0 disables. */
  readonly tooLongMs: number;
}): readonly AlertCondition[] {
  const { nodes, waitedMs, tooLongMs } = now;
  const queues = [...waitedMs].map(([pool, ms]) =>
    tooLongMs > 0 && ms > tooLongMs
      ? condition('queue-latency', pool, {
          text: `the oldest task in pool ${pool} has waited for ${humanDuration(ms)}`,
          fix: 'clawmesh status shows whether nodes serve the pool, and why they claim nothing; if they do claim, add slots or nodes',
        })
      : condition('queue-latency', pool, { over: `pool ${pool} keeps up again` }),
  );
  const here = nodes.filter(({ state }) => state !== 'stopped');
  const noNodes = here.some(({ state }) => state === 'up')
    ? condition('no-nodes', 'mesh', { over: 'a node claims tasks again' })
    : condition('no-nodes', 'mesh', {
        text: `no node claims tasks: ${here.map(({ id, state }) => `${id} is ${state}`).join(', ') || 'no node is known'}`,
        fix: 'clawmesh node list shows why; resume or start the nodes',
      });
  return [...queues, noNodes];
}

function condition(
  kind: 'queue-latency' | 'no-nodes',
  subject: string,
  what: { readonly text: string; readonly fix: string } | { readonly over: string },
): AlertCondition {
  if ('over' in what) return { kind, subject, state: 'resolved', text: what.over, fix: null, quietMs: 0 };
  return { kind, subject, state: 'firing', ...what, quietMs: DAY_MS };
}
