import type { AlertKind } from '../domain/alert.ts';
import type { MeshEvent } from '../registry/event-log.ts';

/** A node that dies so often within {@link REPEATED_MS} is not just unlucky. */
export const REPEATED = 3;
export const REPEATED_MS = 3_600_000;

/** What an event means for people. */
export interface Trouble {
  readonly kind: AlertKind;
  readonly subject: string;
  readonly state: 'firing' | 'resolved';
  readonly text: string;
  readonly fix: string | null;
  /** For how long nobody is told of the same again, ms. */
  readonly quietMs: number;
}

const DAY_MS = 86_400_000;
const TEN_MINUTES_MS = 600_000;

/** What there is to tell of an event; `deaths`: how often its node has died lately. */
export function troublesOf(event: MeshEvent, deaths: number): readonly Trouble[] {
  const { node, circuit, pool, task, reason } = event;
  switch (event.event) {
    case 'node-dead':
      return [
        firing(
          'node-dead',
          node,
          DAY_MS,
          `${node} is dead (${reason ?? 'unknown'})`,
          `look at it: power, network, service`,
        ),
        ...(deaths >= REPEATED
          ? [
              firing(
                'repeated-failover',
                node,
                REPEATED_MS,
                `${node} has died ${deaths} times within an hour`,
                `clawmesh node drain ${node}, and see its log; clawmesh handovers --node ${node}`,
              ),
            ]
          : []),
      ];
    case 'node-up':
      return [resolved('node-dead', node, `${node} is back`)];
    case 'node-forgotten':
      return [resolved('node-dead', node, `${node} is forgotten`)];
    case 'circuit-opened':
      return [
        firing(
          'circuit-open',
          circuit,
          DAY_MS,
          `tasks of ${circuit} are held back: ${reason ?? ''}`,
          "see the provider's status page, keys and limits; tasks go on by themselves",
        ),
      ];
    case 'circuit-closed':
      return [resolved('circuit-open', circuit, `tasks of ${circuit} go on`)];
    case 'dead-letter':
      return [
        firing(
          'dead-letter',
          pool,
          TEN_MINUTES_MS,
          `task ${task} has failed for good: ${reason ?? ''}`,
          `clawmesh task show ${task}; more of pool ${pool} in the next 10 minutes are not told`,
        ),
      ];
    case 'repeated-failover':
      return [
        firing(
          'repeated-failover',
          task,
          DAY_MS,
          `task ${task} was lost with its node for the third time, last with ${node} (${reason ?? 'unknown'})`,
          `clawmesh task show ${task}; if it is what takes the nodes down: clawmesh task cancel ${task}`,
        ),
      ];
    default:
      return [];
  }
}

function firing(kind: AlertKind, subject: string | null, quietMs: number, text: string, fix: string): Trouble {
  return { kind, subject: subject ?? '', state: 'firing', text, fix, quietMs };
}

function resolved(kind: AlertKind, subject: string | null, text: string): Trouble {
  return { kind, subject: subject ?? '', state: 'resolved', text, fix: null, quietMs: 0 };
}
