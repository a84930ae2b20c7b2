import type { Config } from '../config/schema.ts';
import { type Circuit, circuitOf } from '../domain/circuit.ts';
import { nearest } from '../domain/names.ts';
import type { Node } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import { mayRun } from '../domain/target.ts';
import type { Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { HeldTasks, PoolCounts, TaskReader } from '../queue/task-reader.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** Why a task does not run, and what to do about it. */
export interface WaitingReason {
  readonly text: string;
  /** What a person can do; null where it goes on by itself. */
  readonly fix: string | null;
  /** Nobody is up at all, which need not worry whoever queues work for later. */
  readonly nobodyUp?: boolean;
}

/** What tells why tasks wait. */
export interface WaitingFacts {
  readonly nodes: readonly Node[];
  readonly pools: ReadonlyMap<string, Pick<PoolCounts, 'paused'>>;
  readonly circuits: readonly Circuit[];
  readonly held: readonly HeldTasks[];
  readonly config: Pick<Config, 'node' | 'nodes'>;
  /** Redis time, ms. */
  readonly now: number;
}

/** What is looked at of a task; of one that is about to be queued as well. */
export type WaitingTask = Pick<Task, 'pool' | 'state' | 'heldBy' | 'target' | 'agent' | 'model' | 'delayedUntil'>;

/** Reads what {@link whyWaiting} looks at. */
export async function waitingFacts(mesh: {
  config: WaitingFacts['config'];
  reader: TaskReader;
  registry: NodeRegistry;
  circuits(): Promise<Circuit[]>;
}): Promise<WaitingFacts> {
  const { reader, registry, config } = mesh;
  const [nodes, pools, circuits, held, now] = await Promise.all([
    registry.list(),
    reader.pools().then((names) => reader.counts(names)),
    mesh.circuits(),
    reader.held(),
    registry.redisTime(),
  ]);
  return { nodes, pools, circuits, held, config, now };
}

/** Why a task that has not ended does not run; undefined if it runs, or just waits for a free slot. */
export function whyWaiting(task: WaitingTask, facts: WaitingFacts): WaitingReason | undefined {
  const { pool, state, heldBy, delayedUntil } = task;
  if (state === 'delayed' && delayedUntil !== null) {
    const ms = Math.max(0, Date.parse(delayedUntil) - facts.now);
    return { text: `not before ${delayedUntil} (in ${humanDuration(ms)})`, fix: null };
  }
  if (state !== 'waiting') return undefined;
  const [kind, what = ''] = heldBy?.split(/ (.*)/s) ?? [];
  if (kind === 'after') return { text: 'it comes after tasks that have not completed', fix: null };
  if (facts.pools.get(pool)?.paused) {
    return { text: `pool ${pool} is paused`, fix: `clawmesh pool resume ${pool}` };
  }
  const unserved = poolTrouble(pool, facts);
  if (unserved) return unserved;
  const circuit = openCircuit(kind === 'circuit' ? what : circuitOf({ ...named(task), message: '', tags: {} }), facts);
  if (circuit) return circuit;
  if (kind === 'session') return sessionTrouble(what, pool, facts);
  // What it is held by says more than its own target: `node mac-1&allow:…`.
  const held = kind !== undefined && kind !== 'circuit' ? `${kind}:${what}` : undefined;
  return targetTrouble(held ?? task.target, pool, facts) ?? allowTrouble(task, facts);
}

/** Why nobody takes tasks of this pool; undefined if a node that is up does. */
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
  if (here.length === 0) return { text: 'no node is up', fix: 'start one: clawmesh node run', nobodyUp: true };
  if (serving.length > 0) return gatedReason(serving);
  const away = known.map(({ id, state }) => `${id}, which does, is ${state}`);
  return {
    text: [`no node that is up serves pool ${pool}`, ...away.slice(0, 3)].join('; '),
    fix: known[0] ? `start ${known[0].id}` : `start a node with pool ${pool} (node.pools in the config)`,
  };
}

function servedText(served: readonly string[], configured: readonly string[]): string {
  return served.length > 0 ? `served are ${served.join(', ')}` : `the config has ${configured.join(', ')}`;
}

/** Why none of these nodes, which are there, takes tasks. */
function gatedReason(nodes: readonly Node[]): WaitingReason {
  const [first] = nodes;
  const more = nodes.length > 1 ? ` (and ${nodes.length - 1} more)` : '';
  const closed = first?.gates.find(({ open }) => !open);
  const why = first?.state === 'draining' ? 'it is drained' : (closed?.reason ?? `it is ${first?.state}`);
  const fix = first?.state === 'draining' ? `clawmesh node resume ${first.id}` : closed?.fix;
  return { text: `${first?.id} takes no tasks: ${why}${more}`, fix: fix ?? `see clawmesh node show ${first?.id}` };
}

function openCircuit(name: string, { circuits, now }: WaitingFacts): WaitingReason | undefined {
  const circuit = circuits.find((one) => one.name === name && one.openedAt !== null);
  if (!circuit) return undefined;
  const { kind, message, nextProbeAt } = circuit;
  const due = nextProbeAt === null ? undefined : Math.max(0, Date.parse(nextProbeAt) - now);
  const next = due === undefined ? '' : `; one task tries again in ${humanDuration(due)}`;
  const model = name === 'default' ? 'the default model' : name;
  return { text: `tasks of ${model} are held back: ${kind}: ${message}${next}`, fix: `clawmesh circuit close ${name}` };
}

function sessionTrouble(session: string, pool: string, { nodes, held }: WaitingFacts): WaitingReason | undefined {
  const name = session.replace(/^.*\|/, '');
  const home = held.find((one) => one.pool === pool && one.why === `session:${session}`)?.home;
  const node = nodes.find(({ id }) => id === home);
  if (node && node.state !== 'up') {
    return {
      text: `session ${name} is on ${node.id}, which is ${node.state}`,
      fix: `see clawmesh node show ${node.id}`,
    };
  }
  return { text: `another task of session ${name} comes first${node ? `, on ${node.id}` : ''}`, fix: null };
}

/** Why no node that is up may run tasks with this target. */
function targetTrouble(target: string | null, pool: string, facts: WaitingFacts): WaitingReason | undefined {
  if (target === null) return undefined;
  const able = facts.nodes.filter((node) => mayRun(target, node));
  if (able.some((node) => node.state === 'up' && serves(node, pool))) return undefined;
  const labels = /^require:([^&]*)/.exec(target)?.[1];
  if (able.length === 0) return nobodyIs(target, labels, facts);
  const states = able.map((node) => {
    const { id, state } = node;
    if (!isHere(node)) return `${id} is ${state}`;
    if (!serves(node, pool)) return `${id} does not serve pool ${pool}`;
    return state === 'up' ? `${id} is up` : `${id} is ${state}`;
  });
  const who = labels === undefined ? '' : `of the nodes with ${labels} `;
  return { text: `${who}${states.slice(0, 3).join(', ')}`, fix: `see clawmesh node show ${able[0]?.id}` };
}

/** No node that was ever there is what the target asks for. */
function nobodyIs(target: string, labels: string | undefined, { nodes, config }: WaitingFacts): WaitingReason {
  const id = /^(?:node|prefer):([^&]*)/.exec(target)?.[1];
  if (id !== undefined) return { text: `node ${id} was never up`, fix: `start it: clawmesh node run, on ${id}` };
  if (labels === undefined) return { text: 'no node may run it', fix: 'see clawmesh node list' };
  const there = [...nodes.map((node) => node.labels), ...Object.values(config.nodes).map((node) => node.labels ?? {})];
  const known = [
    ...new Set(there.flatMap((of) => Object.entries(of).map(([name, value]) => `${name}=${value}`))),
  ].sort();
  const wrong = labels.split(',').filter((pair) => !known.includes(pair));
  const likely = wrong[0] && nearest(wrong[0], known);
  const have = known.length > 0 ? `labels are ${known.slice(0, 20).join(', ')}` : 'no node has labels';
  return {
    text: wrong.length > 0 ? `no node has ${wrong.join(' and ')}; ${have}` : `no one node has ${labels}`,
    fix: likely ? `did you mean ${likely}?` : 'see nodes.<id>.labels in the config',
  };
}

/** Why no node that serves the pool may run tasks of this agent and model. */
function allowTrouble(task: WaitingTask, { nodes }: WaitingFacts): WaitingReason | undefined {
  const needed = `allow:${task.agent ?? 'main'}|${task.model ?? ''}`;
  const serving = nodes.filter((node) => node.state === 'up' && serves(node, task.pool));
  if (serving.some((node) => mayRun(needed, node))) return undefined;
  const what = [`agent ${task.agent ?? 'main'}`, ...(task.model === null ? [] : [`model ${task.model}`])].join(
    ' with ',
  );
  return { text: `no node that is up and serves pool ${task.pool} is allowed ${what}`, fix: 'see nodes.<id>.allow' };
}

/** The agent and the model, where the task names them. */
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
