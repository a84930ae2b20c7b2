import type { Config } from '../config/schema.ts';
import type { Circuit } from '../domain/circuit.ts';
import { counted } from '../domain/counted.ts';
import { cutText } from '../domain/cut-text.ts';
import { boxesOf } from '../domain/delivery.ts';
import { onOneLine } from '../domain/errors.ts';
import type { Finding, Severity } from '../domain/finding.ts';
import { describeHoldReason, type HoldReason, isEligible, isTarget } from '../domain/hold-reason.ts';
import { type Node, orphanedWords } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import { pauseWords } from '../domain/pause.ts';
import type { PoolCounts } from '../domain/pool-counts.ts';
import type { ScheduleFailure } from '../domain/schedule.ts';
import type { Target } from '../domain/target.ts';
import { withoutEscapes } from '../domain/terminal-text.ts';
import type { OutboxCount } from '../queue/bullmq/outbox.ts';
import type { Strangers } from '../queue/bullmq/strangers.ts';
import type { HeldTasks } from '../queue/bullmq/task-reader.ts';
import { poolTrouble } from './waiting.ts';

/** The mark before a problem in terminal output. */
export const MARKS: Readonly<Record<Severity, string>> = { error: '✗', warning: '!', notice: '·' };

/** The problems of the mesh. */
export function findProblems(seen: {
  nodes: readonly Node[];
  pools: ReadonlyMap<string, PoolCounts>;
  circuits: readonly Circuit[];
  /** Schedules whose next task could not be queued. */
  scheduleFailures: readonly ScheduleFailure[];
  config: Pick<Config, 'node' | 'nodes'>;
}): Finding[] {
  const { nodes, pools, circuits } = seen;
  const problems: Finding[] = unknownPeers(nodes, Object.keys(seen.config.nodes));
  for (const { name, kind, message, openedAt } of circuits) {
    if (openedAt === null) continue;
    problems.push({
      severity: 'error',
      problem: `tasks of ${name === 'default' ? 'the default model' : name} are held since ${openedAt}: ${kind}: ${message}`,
      remedy: `wait if the provider will recover, since probe tasks check that; otherwise check its status page, keys and limits, then clawmesh circuit close ${name}`,
      actions: [{ command: 'circuit close', subject: name }],
    });
  }
  for (const { name, reason } of seen.scheduleFailures) {
    problems.push({
      severity: 'error',
      problem: `schedule ${name} enqueues no tasks: ${reason}`,
      remedy: `clawmesh schedule remove ${name}, then add it again`,
      actions: [{ command: 'schedule remove', subject: name }],
    });
  }
  for (const [pool, counts] of pools) {
    const trouble = counts.waiting > 0 ? poolTrouble(pool, seen) : undefined;
    if (!trouble) continue;
    const wait = `${counted(counts.waiting, 'task')} ${counts.waiting === 1 ? 'waits' : 'wait'}`;
    problems.push({
      severity: 'error',
      problem: `${wait} in pool ${pool}, and no node claims from it: ${trouble.text}`,
      remedy: trouble.fix ?? `start a node with pool ${pool} (node.pools in the config)`,
    });
  }
  for (const node of nodes) {
    if (node.state === 'dead') {
      problems.push({
        severity: 'error',
        problem: `node ${node.id} is dead${node.orphaned.length > 0 ? `; ${orphanedWords(node.orphaned.length)}` : ''}`,
        remedy: `check ${node.host}: power, network, launchd; then clawmesh node run. If the node was retired: clawmesh node forget ${node.id}`,
        actions: [
          ...(node.orphaned.length > 0 ? [{ command: 'node evict' as const, subject: node.id }] : []),
          { command: 'node forget', subject: node.id },
        ],
      });
    }
    if (node.state === 'stopped' && node.id in seen.config.nodes) {
      problems.push({
        severity: 'notice',
        problem: `node ${node.id} has stopped`,
        remedy: `nothing if that is intended; otherwise clawmesh node start there (or node run). If the node was retired: clawmesh node forget ${node.id}`,
        actions: [{ command: 'node forget', subject: node.id }],
      });
    }
    // An operator may forget to resume the node afterwards.
    for (const gate of node.gates.filter(
      ({ name, open }) => name === node.state && (name === 'draining' || name === 'paused') && !open,
    )) {
      problems.push({
        severity: 'notice',
        problem: `node ${node.id} claims no tasks: ${gate.reason}`,
        remedy: gate.fix ?? `see clawmesh node show ${node.id}`,
        actions: [{ command: 'node resume', subject: node.id }],
      });
    }
    if (node.state !== 'gated' && node.state !== 'up') continue;
    // A paused pool is reported once, not for each node.
    for (const gate of node.gates.filter(({ name, reason }) => reason !== null && name !== 'paused')) {
      problems.push({
        // A refused login stays so until an operator acts; other gates mostly open by themselves.
        severity: gate.name === 'auth' && !gate.open ? 'error' : 'warning',
        problem: `node ${node.id}${gate.open ? '' : ' claims no tasks'}: ${gate.reason}`,
        remedy: gate.fix ?? `see clawmesh node show ${node.id}`,
      });
    }
  }
  for (const [pool, counts] of pools) {
    if (counts.paused) {
      problems.push({
        severity: 'warning',
        problem: `pool ${pool} is ${counts.pause ? pauseWords(counts.pause) : 'paused'}`,
        remedy: `clawmesh pool resume ${pool} when you are ready`,
        actions: [{ command: 'pool resume', subject: pool }],
      });
    }
    const unseen = counts.failed - counts.acknowledged;
    if (unseen > 0) {
      problems.push({
        severity: 'warning',
        problem: `${counted(unseen, 'failed task')} in pool ${pool}${counts.acknowledged > 0 ? `, besides ${counts.acknowledged} acknowledged` : ''}`,
        remedy: `see clawmesh task list ${counts.acknowledged > 0 ? '--unacknowledged' : '--state failed'} --pool ${pool}; then clawmesh task retry, ack or remove`,
        actions: [
          { command: 'task retry', subject: pool },
          { command: 'task ack', subject: pool },
        ],
      });
    }
  }
  return problems;
}

/** Differences between the inventory and the nodes that are up: mostly a wrong Redis URL, a firewall or a host name. */
function unknownPeers(nodes: readonly Node[], inventory: readonly string[]): Finding[] {
  if (inventory.length === 0) return [];
  const missing = inventory.filter((id) => !nodes.some((node) => node.id === id));
  const strangers = nodes.filter(({ id, state }) => !inventory.includes(id) && isThere(state));
  return [
    ...missing.map((id) => ({
      severity: 'warning' as const,
      problem: `node ${id} has never connected to this Redis`,
      remedy: `on ${id}: check redis.url, network and firewall, and that the service runs; or remove it from nodes: in the config`,
    })),
    ...strangers.map(({ id }) => ({
      severity: 'warning' as const,
      problem: `node ${id} is not in the inventory`,
      remedy: 'add it under nodes: in the config of all nodes, or correct the id of that Mac (CLAWMESH_NODE_ID)',
    })),
  ];
}

/** Tasks that only some nodes may run, none of which currently can. */
export function strandedTasks(nodes: readonly Node[], held: readonly HeldTasks[]): Finding[] {
  return held.flatMap(({ pool, reason, stickyNode, count }) => {
    if (reason === undefined || count === 0) return [];
    const able = nodes.filter((node) => node.id === stickyNode || isEligible(reason, node));
    const waits = isTarget(reason) || (stickyNode !== null && able.length > 0);
    if (!waits || able.some((node) => node.state === 'up' && pool in node.pools)) return [];
    const states = able.map(
      (node) => `${node.id} ${node.state === 'up' ? `does not serve pool ${pool}` : `is ${node.state}`}`,
    );
    return [
      {
        severity: 'warning' as const,
        problem: `${counted(count, 'task')} ${count === 1 ? 'waits' : 'wait'} for ${awaited(reason)}: ${states.join(', ') || 'the mesh knows no such node'}`,
        remedy:
          reason.kind === 'format'
            ? 'upgrade clawmesh on the nodes, and on this machine'
            : stickyNode === null
              ? 'see clawmesh node list; or cancel the tasks, and enqueue them without --node or --require'
              : `see clawmesh node show ${stickyNode}; or drain it, so that the session restarts on another node`,
      },
    ];
  });
}

/** Answers that no node can send at present. */
export function undeliverable(nodes: readonly Node[], outboxes: readonly OutboxCount[]): Finding[] {
  const channels = nodes
    .filter(({ state }) => isThere(state))
    .flatMap((node) => node.channels ?? [])
    .map((name) => ({ channel: name.replace(/\/.*$/s, ''), account: name.replace(/^[^/]*\//s, '') }));
  const owned = new Set(boxesOf(channels));
  return outboxes
    .filter(({ box }) => !owned.has(box))
    .map(({ box, waiting }) => ({
      severity: 'warning',
      problem: `${counted(waiting, 'answer')} ${waiting === 1 ? 'waits' : 'wait'} for the channel ${box}, which no node has`,
      remedy:
        'start the channel in the OpenClaw gateway of a node (openclaw channels status); the answers are then sent',
    }));
}

/** The node or session that tasks with this hold reason wait for, as part of a sentence. */
function awaited(reason: HoldReason): string {
  if (reason.kind === 'session') return `session ${reason.session}`;
  if (!isTarget(reason)) return describeHoldReason(reason);
  const { allow } = reason;
  const model = allow?.model === undefined ? '' : ` with model ${allow.model}`;
  return `${nodesOf(reason)}${allow ? ` that may run agent ${allow.agent}${model}` : ''}`;
}

function nodesOf(target: Target): string {
  switch (target.kind) {
    case 'node':
    case 'prefer':
      return target.id;
    case 'require':
      return `a node with ${target.labels.map((label) => label.join('=')).join(',')}`;
    case 'format':
      return 'a node with a newer clawmesh';
    case 'allow':
      return 'a node';
  }
}

/** Workers of other programs that take tasks of this mesh. They do not run them in OpenClaw. */
export function foreignWorkers(strangers: readonly Strangers[]): Finding[] {
  return strangers.map(({ pool, connected, taken, of, names }) => {
    const who = names.length > 0 ? ` (${names.slice(0, 3).map(printable).join(', ')})` : '';
    const problem =
      taken > 0
        ? `a BullMQ worker of another program${who} takes tasks from pool ${pool}: ${taken} of the newest ${of}`
        : `${counted(connected.length, 'BullMQ worker')} of another program${who} ${connected.length === 1 ? 'waits' : 'wait'} for tasks in pool ${pool}`;
    return {
      severity: 'warning',
      problem,
      remedy:
        'stop that program, or move it to another queue: the tasks that it takes never run in OpenClaw. Enqueue those tasks again; see clawmesh task list',
    };
  });
}

/** A name set by another program, made safe and cut to fit on a line. */
function printable(name: string): string {
  return cutText(onOneLine(withoutEscapes(name)), 40);
}
