import type { Config } from '../config/schema.ts';
import type { Circuit } from '../domain/circuit.ts';
import { counted } from '../domain/counted.ts';
import { onOneLine } from '../domain/errors.ts';
import { describeHoldReason, type HoldReason, isEligible, isTarget } from '../domain/hold-reason.ts';
import { type Node, orphanedWords } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import type { ScheduleFailure } from '../domain/schedule.ts';
import type { Target } from '../domain/target.ts';
import { withoutEscapes } from '../domain/terminal-text.ts';
import type { Strangers } from '../queue/bullmq/strangers.ts';
import type { HeldTasks, PoolCounts } from '../queue/bullmq/task-reader.ts';
import { poolTrouble } from './waiting.ts';

/** Worst first. A notice is no trouble but worth knowing: an operator has caused it on purpose. */
export const SEVERITIES = ['error', 'warning', 'notice'] as const;
export type Severity = (typeof SEVERITIES)[number];
/** The mark before a problem in terminal output. */
export const MARKS: Readonly<Record<Severity, string>> = { error: '✗', warning: '!', notice: '·' };

/** A problem that an operator should fix, or know about. */
export interface Problem {
  /** A notice is no trouble, but worth knowing. */
  readonly severity: Severity;
  /** What is wrong, for people. */
  readonly what: string;
  /** The remedy, for people. */
  readonly fix: string;
}

/** The problems of the mesh, worst first. */
export function findProblems(seen: {
  nodes: readonly Node[];
  pools: ReadonlyMap<string, PoolCounts>;
  circuits: readonly Circuit[];
  /** Schedules whose next task could not be queued. */
  scheduleFailures: readonly ScheduleFailure[];
  config: Pick<Config, 'node' | 'nodes'>;
}): Problem[] {
  const { nodes, pools, circuits } = seen;
  const problems: Problem[] = unknownPeers(nodes, Object.keys(seen.config.nodes));
  for (const { name, kind, message, openedAt } of circuits) {
    if (openedAt === null) continue;
    problems.push({
      severity: 'error',
      what: `tasks of ${name === 'default' ? 'the default model' : name} are held back since ${openedAt}: ${kind}: ${message}`,
      fix: `nothing if the provider recovers; one task at a time tries it. Else see its status page, keys and limits; then clawmesh circuit close ${name}`,
    });
  }
  for (const { name, reason } of seen.scheduleFailures) {
    problems.push({
      severity: 'error',
      what: `schedule ${name} queues nothing: ${reason}`,
      fix: `clawmesh schedule remove ${name}, then add it again`,
    });
  }
  for (const [pool, counts] of pools) {
    const trouble = counts.waiting > 0 ? poolTrouble(pool, seen) : undefined;
    if (!trouble) continue;
    const wait = counts.waiting === 1 ? '1 task has to wait' : `${counts.waiting} tasks wait`;
    problems.push({
      severity: 'error',
      what: `${wait} in pool ${pool}, which no node that is up serves: ${trouble.text}`,
      fix: trouble.fix ?? `start a node with pool ${pool} (node.pools in the config)`,
    });
  }
  for (const node of nodes) {
    if (node.state === 'dead') {
      problems.push({
        severity: 'error',
        what: `node ${node.id} is dead${node.orphaned.length > 0 ? `; ${orphanedWords(node.orphaned.length)}` : ''}`,
        fix: `look at ${node.host}: power, network, launchd; then clawmesh node run. If it was retired: clawmesh node forget ${node.id}`,
      });
    }
    if (node.state === 'stopped' && node.id in seen.config.nodes) {
      problems.push({
        severity: 'notice',
        what: `node ${node.id} has stopped`,
        fix: `nothing if that is wanted; else clawmesh node start there (or node run). If it was retired: clawmesh node forget ${node.id}`,
      });
    }
    // An operator may forget to resume the node afterwards.
    for (const gate of node.gates.filter(
      ({ name, open }) => node.state === 'draining' && name === 'draining' && !open,
    )) {
      problems.push({
        severity: 'notice',
        what: `node ${node.id} takes no tasks: ${gate.reason}`,
        fix: gate.fix ?? `see clawmesh node show ${node.id}`,
      });
    }
    if (node.state !== 'gated' && node.state !== 'up') continue;
    // A paused pool is reported once, not for each node.
    for (const gate of node.gates.filter(({ name, reason }) => reason !== null && name !== 'paused')) {
      problems.push({
        // A refused login stays so until an operator acts; other gates mostly open by themselves.
        severity: gate.name === 'auth' && !gate.open ? 'error' : 'warning',
        what: `node ${node.id}${gate.open ? '' : ' takes no tasks'}: ${gate.reason}`,
        fix: gate.fix ?? `see clawmesh node show ${node.id}`,
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
    const unseen = counts.failed - counts.acknowledged;
    if (unseen > 0) {
      const are = counts.acknowledged === 1 ? '1 that is' : `${counts.acknowledged} that are`;
      problems.push({
        severity: 'warning',
        what: `${counted(unseen, 'failed task')} in pool ${pool}${counts.acknowledged > 0 ? `, beside ${are} acknowledged` : ''}`,
        fix: `see clawmesh task list ${counts.acknowledged > 0 ? '--unacknowledged' : '--state failed'} --pool ${pool}; then clawmesh task retry, ack or remove`,
      });
    }
  }
  return problems.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** Differences between the inventory and the nodes that are up: mostly a wrong Redis URL, a firewall or a host name. */
function unknownPeers(nodes: readonly Node[], inventory: readonly string[]): Problem[] {
  if (inventory.length === 0) return [];
  const missing = inventory.filter((id) => !nodes.some((node) => node.id === id));
  const strangers = nodes.filter(({ id, state }) => !inventory.includes(id) && isThere(state));
  return [
    ...missing.map((id) => ({
      severity: 'warning' as const,
      what: `${id} was never seen on this Redis`,
      fix: `on ${id}: check redis.url, network and firewall, and that the service runs; or take it out of nodes:`,
    })),
    ...strangers.map(({ id }) => ({
      severity: 'warning' as const,
      what: `${id} is not in the inventory`,
      fix: 'add it under nodes: in the config of all, or give that Mac its right id: CLAWMESH_NODE_ID',
    })),
  ];
}

/** Tasks that only some nodes may run, none of which currently can. */
export function strandedTasks(nodes: readonly Node[], held: readonly HeldTasks[]): Problem[] {
  return held.flatMap(({ pool, reason, home, count }) => {
    if (reason === undefined || count === 0) return [];
    const able = nodes.filter((node) => node.id === home || isEligible(reason, node));
    const waits = isTarget(reason) || (home !== null && able.length > 0);
    if (!waits || able.some((node) => node.state === 'up' && pool in node.pools)) return [];
    const states = able.map(
      (node) => `${node.id} ${node.state === 'up' ? `does not serve pool ${pool}` : `is ${node.state}`}`,
    );
    return [
      {
        severity: 'warning' as const,
        what: `${count} tasks wait for ${awaited(reason)}: ${states.join(', ') || 'there was never one'}`,
        fix:
          reason.kind === 'format'
            ? 'upgrade clawmesh on the nodes, and here'
            : home === null
              ? 'see clawmesh node list; or cancel them and queue them without --node or --require'
              : `see clawmesh node show ${home}; or drain it, and the session starts anew on another node`,
      },
    ];
  });
}

/** The node or session that tasks with this hold reason wait for, as part of a sentence. */
function awaited(reason: HoldReason): string {
  if (reason.kind === 'session') return `session ${reason.session}`;
  if (!isTarget(reason)) return describeHoldReason(reason);
  const { allow } = reason;
  const model = allow?.model === undefined ? '' : ` with model ${allow.model}`;
  return `${nodesOf(reason)}${allow ? ` that is allowed agent ${allow.agent}${model}` : ''}`;
}

function nodesOf(target: Target): string {
  switch (target.kind) {
    case 'node':
    case 'prefer':
      return target.id;
    case 'require':
      return `a node with ${target.labels.map((label) => label.join('=')).join(',')}`;
    case 'format':
      return 'a node with a newer clawmesh, which queued them';
    case 'allow':
      return 'a node';
  }
}

/** Workers of another program that take tasks of this mesh, and do not run them through OpenClaw. */
export function foreignWorkers(strangers: readonly Strangers[]): Problem[] {
  return strangers.map(({ pool, connected, taken, of, names }) => {
    const who = names.length > 0 ? ` (${names.slice(0, 3).map(printable).join(', ')})` : '';
    const what =
      taken > 0
        ? `a BullMQ worker that is no clawmesh node${who} takes tasks of pool ${pool}: ${taken} of the newest ${of}`
        : `${connected.length} BullMQ workers that are no clawmesh nodes${who} wait for tasks of pool ${pool}`;
    return {
      severity: 'warning',
      what,
      fix: 'stop that program, or have it use another queue: what it takes never runs in OpenClaw. Queue again what it has ended: see clawmesh task list',
    };
  });
}

/** A name set by another program, made safe and cut to fit on a line. */
function printable(name: string): string {
  return onOneLine(withoutEscapes(name)).slice(0, 40);
}
