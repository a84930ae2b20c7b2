import type { Mesh } from '../client/mesh.ts';
import type { Config } from '../config/schema.ts';
import { type Circuit, circuitOf } from '../domain/circuit.ts';
import { counted } from '../domain/counted.ts';
import { formatHoldReason, holdReasonOf, isTarget, type SessionReason } from '../domain/hold-reason.ts';
import { nearest } from '../domain/names.ts';
import type { Node } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import { pauseWords } from '../domain/pause.ts';
import type { PoolCounts } from '../domain/pool-counts.ts';
import { mayRun, parseTarget, type Target } from '../domain/target.ts';
import type { Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { HeldTasks } from '../queue/bullmq/task-reader.ts';

/** Why a task does not run, and how to fix that. */
export interface WaitingReason {
  readonly text: string;
  /** The remedy for an operator; null if the task continues by itself. */
  readonly fix: string | null;
  /** No node is up. That is no problem for a user who enqueues tasks for later. */
  readonly noNodeUp?: boolean;
}

/** The facts that explain why tasks wait. */
export interface WaitingFacts {
  readonly nodes: readonly Node[];
  readonly pools: ReadonlyMap<string, Pick<PoolCounts, 'paused' | 'pause'>>;
  readonly circuits: readonly Circuit[];
  readonly held: readonly HeldTasks[];
  readonly config: Pick<Config, 'node' | 'nodes'>;
  /** Redis time, ms. */
  readonly now: number;
}

/** The examined fields of a task, which may not be queued yet. */
export type WaitingTask = Pick<
  Task,
  'pool' | 'state' | 'heldBy' | 'target' | 'agent' | 'session' | 'model' | 'delayedUntil'
>;

/** Reads the facts for {@link whyWaiting}. */
export async function waitingFacts(
  mesh: Pick<Mesh, 'config' | 'node' | 'pool' | 'circuits' | 'server'>,
): Promise<WaitingFacts> {
  const [nodes, pools, circuits, held, now] = await Promise.all([
    mesh.node.list(),
    mesh.pool.counts(),
    mesh.circuits(),
    mesh.pool.held(),
    mesh.server.time(),
  ]);
  return { nodes, pools, circuits, held, config: mesh.config, now };
}

/** Why a task that has not ended does not run; undefined if it runs, or just waits for a free slot. */
export function whyWaiting(task: WaitingTask, facts: WaitingFacts): WaitingReason | undefined {
  const { pool, state, heldBy, delayedUntil } = task;
  if (state === 'delayed' && delayedUntil !== null) {
    const ms = Math.max(0, Date.parse(delayedUntil) - facts.now);
    return { text: `not before ${delayedUntil} (in ${humanDuration(ms)})`, fix: null };
  }
  if (state !== 'waiting') return undefined;
  const reason = holdReasonOf(task);
  if (reason?.kind === 'after') return { text: 'it waits for other tasks to complete (--after)', fix: null };
  const counts = facts.pools.get(pool);
  if (counts?.paused) {
    return {
      text: `pool ${pool} is ${counts.pause ? pauseWords(counts.pause) : 'paused'}`,
      fix: `clawmesh pool resume ${pool}`,
    };
  }
  const unserved = poolTrouble(pool, facts);
  if (unserved) return unserved;
  const itsCircuit = reason?.kind === 'circuit' ? reason.circuit : circuitOf({ ...named(task), message: '', tags: {} });
  const circuit = openCircuit(itsCircuit, facts);
  if (circuit) return circuit;
  if (reason?.kind === 'session') return sessionTrouble(reason, pool, facts);
  if (heldBy !== null && reason === undefined) return { text: `it is held by ${heldBy}`, fix: null };
  // The hold reason says more than the task's own target: it also names what the node must be allowed.
  const target = reason && isTarget(reason) ? reason : parseTarget(task.target ?? '');
  return (target && targetTrouble(target, pool, facts)) ?? allowTrouble(task, facts);
}

/** The nodes that are up, serve the pool of this task, and may run it. */
export function ableNodes({ pool, target, agent, model }: WaitingTask, { nodes }: WaitingFacts): Node[] {
  const place = parseTarget(target ?? '');
  const needed: Target = { kind: 'allow', allow: { agent: agent ?? 'main', model: model ?? undefined } };
  return nodes.filter(
    (node) => node.state === 'up' && serves(node, pool) && mayRun(needed, node) && (!place || mayRun(place, node)),
  );
}

/** Why no node takes tasks of this pool; undefined if a node that is up does. */
export function poolTrouble(
  pool: string,
  { nodes, config }: Pick<WaitingFacts, 'nodes' | 'config'>,
): WaitingReason | undefined {
  const here = nodes.filter(isHere);
  const serving = here.filter((node) => serves(node, pool));
  if (serving.some(({ state }) => state === 'up')) return undefined;
  const known = nodes.filter((node) => serves(node, pool));
  const servedNow = poolsOf(here);
  if (known.length === 0 && !configuredPools(config).includes(pool)) {
    const all = [...new Set([...servedNow, ...configuredPools(config)])].sort();
    const likely = nearest(pool, all);
    return {
      text: `no node serves pool ${pool}; ${servedText(servedNow, all)}`,
      fix: likely ? `did you mean ${likely}?` : `start a node with pool ${pool} (node.pools in the config)`,
    };
  }
  if (here.length === 0) return { text: 'no node is up', fix: 'start one: clawmesh node run', noNodeUp: true };
  if (serving.length > 0) return gatedReason(serving);
  const away = known.map(({ id, state }) => `${id}, which serves it, is ${state}`);
  return {
    text: [`no node that is up serves pool ${pool}`, ...away.slice(0, 3)].join('; '),
    fix: known[0] ? `start ${known[0].id}` : `start a node with pool ${pool} (node.pools in the config)`,
  };
}

function servedText(served: readonly string[], configured: readonly string[]): string {
  return served.length > 0 ? `pools with nodes: ${served.join(', ')}` : `configured pools: ${configured.join(', ')}`;
}

/** Why none of these nodes claims tasks, although their leases are valid. */
function gatedReason(nodes: readonly Node[]): WaitingReason {
  const [first] = nodes;
  const more = nodes.length > 1 ? ` (and ${counted(nodes.length - 1, 'more node')})` : '';
  const closed = first?.gates.find(({ open }) => !open);
  const why = first?.state === 'draining' ? 'it is draining' : (closed?.reason ?? `it is ${first?.state}`);
  const byHand = first?.state === 'draining' || first?.state === 'paused';
  const fix = byHand ? `clawmesh node resume ${first.id}` : closed?.fix;
  return {
    text: `node ${first?.id} claims no tasks: ${why}${more}`,
    fix: fix ?? `see clawmesh node show ${first?.id}`,
  };
}

function openCircuit(name: string, { circuits, now }: WaitingFacts): WaitingReason | undefined {
  const circuit = circuits.find((one) => one.name === name && one.openedAt !== null);
  if (!circuit) return undefined;
  const { kind, message, nextProbeAt } = circuit;
  const due = nextProbeAt === null ? undefined : Math.max(0, Date.parse(nextProbeAt) - now);
  const next = due === undefined ? '' : `; the next probe may run in ${humanDuration(due)}`;
  const model = name === 'default' ? 'the default model' : name;
  return { text: `tasks of ${model} are held: ${kind}: ${message}${next}`, fix: `clawmesh circuit close ${name}` };
}

function sessionTrouble(reason: SessionReason, pool: string, { nodes, held }: WaitingFacts): WaitingReason {
  const name = reason.session;
  const why = formatHoldReason(reason);
  const sticky = held.find((one) => one.pool === pool && one.why === why)?.stickyNode;
  const node = nodes.find(({ id }) => id === sticky);
  if (node && node.state !== 'up') {
    return {
      text: `session ${name} is sticky to ${node.id}, which is ${node.state}`,
      fix: `see clawmesh node show ${node.id}`,
    };
  }
  return { text: `another task of session ${name} comes first${node ? `, on ${node.id}` : ''}`, fix: null };
}

/** Why no node that is up may run tasks with this target. */
function targetTrouble(target: Target, pool: string, facts: WaitingFacts): WaitingReason | undefined {
  const able = facts.nodes.filter((node) => mayRun(target, node));
  if (able.some((node) => node.state === 'up' && serves(node, pool))) return undefined;
  if (able.length === 0) return noMatchingNode(target, facts);
  const states = able.map((node) => {
    const { id, state } = node;
    if (!isHere(node)) return `${id} is ${state}`;
    if (!serves(node, pool)) return `${id} does not serve pool ${pool}`;
    return state === 'up' ? `${id} is up` : `${id} is ${state}`;
  });
  const who = target.kind === 'require' ? `nodes with ${pairsOf(target.labels).join(',')}: ` : '';
  return { text: `${who}${states.slice(0, 3).join(', ')}`, fix: `see clawmesh node show ${able[0]?.id}` };
}

/** No node that the mesh remembers matches the target. */
function noMatchingNode(target: Target, { nodes, config }: WaitingFacts): WaitingReason {
  if (target.kind === 'node' || target.kind === 'prefer') {
    return {
      text: `the mesh does not know node ${target.id}`,
      fix: `check the name, or start it: clawmesh node run on ${target.id}`,
    };
  }
  if (target.kind !== 'require') return { text: 'no node may run it', fix: 'see clawmesh node list' };
  const labels = pairsOf(target.labels);
  const there = [...nodes.map((node) => node.labels), ...Object.values(config.nodes).map((node) => node.labels ?? {})];
  const known = [...new Set(there.flatMap((of) => pairsOf(Object.entries(of))))].sort();
  const wrong = labels.filter((pair) => !known.includes(pair));
  const likely = wrong[0] && nearest(wrong[0], known);
  const have = known.length > 0 ? `known labels: ${known.slice(0, 20).join(', ')}` : 'no node has labels';
  return {
    text:
      wrong.length > 0
        ? `no node has ${wrong.join(' and ')}; ${have}`
        : `no single node has all of ${labels.join(',')}`,
    fix: likely ? `did you mean ${likely}?` : 'see nodes.<id>.labels in the config',
  };
}

function pairsOf(labels: readonly (readonly [name: string, value: string])[]): string[] {
  return labels.map((label) => label.join('='));
}

/** Why no node that serves the pool may run tasks of this agent and model. */
function allowTrouble(task: WaitingTask, { nodes }: WaitingFacts): WaitingReason | undefined {
  const needed: Target = { kind: 'allow', allow: { agent: task.agent ?? 'main', model: task.model ?? undefined } };
  const serving = nodes.filter((node) => node.state === 'up' && serves(node, task.pool));
  if (serving.some((node) => mayRun(needed, node))) return undefined;
  const what = [`agent ${task.agent ?? 'main'}`, ...(task.model === null ? [] : [`model ${task.model}`])].join(
    ' with ',
  );
  return {
    text: `no node that is up and serves pool ${task.pool} may run ${what}`,
    fix: 'see node.allow and nodes.<id>.allow in the config',
  };
}

/** The agent and the model, if the task names them. */
function named({ agent, model }: WaitingTask): { agent?: string; model?: string } {
  return { ...(agent !== null && { agent }), ...(model !== null && { model }) };
}

function serves({ pools }: Node, pool: string): boolean {
  return Object.hasOwn(pools, pool);
}

function isHere({ state }: Pick<Node, 'state'>): boolean {
  return isThere(state);
}

function poolsOf(nodes: readonly Node[]): string[] {
  return [...new Set(nodes.flatMap((node) => Object.keys(node.pools)))].sort();
}

function configuredPools({ node, nodes }: WaitingFacts['config']): string[] {
  return [node, ...Object.values(nodes)].flatMap(({ pools }) => Object.keys(pools ?? {}));
}
