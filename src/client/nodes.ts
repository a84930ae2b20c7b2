import { leaseMs } from '../config/lease.ts';
import { counted, listed } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { Node, SeenNode } from '../domain/node.ts';
import { notFound } from '../domain/not-found.ts';
import type { NewPause } from '../domain/pause.ts';
import { handoversAfter, type LoggedHandover, lastHandover } from '../queue/handover-log.ts';
import { forgetNode } from '../registry/forget-nodes.ts';
import { checkedPause } from './checked-pause.ts';
import type { ClientContext } from './context.ts';
import { waitUntilDrained } from './drain.ts';
import type { MeshTasks } from './tasks.ts';

/** Reads and steers nodes, from any machine, through Redis. */
export class MeshNodes {
  readonly #context: ClientContext;
  readonly #tasks: MeshTasks;

  constructor(context: ClientContext, tasks: MeshTasks) {
    this.#context = context;
    this.#tasks = tasks;
  }

  /** All nodes that the mesh remembers, with their running tasks, by id. */
  async list(): Promise<Node[]> {
    return this.#context.registry.list();
  }

  /** All nodes that the mesh remembers, without their running tasks: a few reads, however many tasks run. */
  async seen(): Promise<SeenNode[]> {
    return this.#context.registry.seen();
  }

  /** One node, without its running tasks; undefined if it is unknown. */
  async find(id: string): Promise<SeenNode | undefined> {
    return this.#context.registry.find(id);
  }

  /** The node with this id. @throws ClawmeshError `not-found`. */
  async existing(id: string): Promise<Node> {
    const nodes = await this.list();
    const ids = nodes.map((node) => node.id);
    return nodes[ids.indexOf(id)] ?? Promise.reject(notFound('node', id, ids));
  }

  /**
   * Tells a node to claim no more tasks. The node releases runs that take longer than its drain timeout.
   *
   * @returns the node as it was once the drain was stored; it still runs tasks that it claims before it receives the
   * drain.
   * @throws ClawmeshError `not-found`.
   */
  async drain(id: string): Promise<Node> {
    if (!(await this.#context.registry.setDesiredState(id, 'drain'))) throw await this.#unknown(id);
    return this.existing(id);
  }

  /**
   * Tells a node to claim no more tasks, until it is resumed or `forMs` (in Redis time) is over. Its runs continue,
   * however long they take. A pause replaces a drain, and the other way round.
   *
   * @returns the node as it was once the pause was stored.
   * @throws ClawmeshError `not-found`; `usage` for a note that is too long.
   */
  async pause(id: string, pause: NewPause = {}): Promise<Node> {
    if (!(await this.#context.registry.pause(id, checkedPause(pause)))) throw await this.#unknown(id);
    return this.existing(id);
  }

  /**
   * Waits until a node that is being drained has confirmed this and has no claims any more, so that it can be stopped
   * without stopping a task.
   *
   * @param asked the node, as {@link drain} returned it
   * @throws see {@link waitUntilDrained}
   */
  async waitUntilDrained(asked: Node, timeoutMs?: number): Promise<Node> {
    const nodes = {
      existing: (id: string) => this.existing(id),
      desired: (id: string) => this.#context.registry.wanted(id),
    };
    return waitUntilDrained({ nodes, clock: this.#context.clock, asked, timeoutMs });
  }

  /** Lets a drained or paused node claim tasks again. @returns the node. @throws ClawmeshError `not-found`. */
  async resume(id: string): Promise<Node> {
    const node = await this.existing(id);
    await this.#context.registry.setDesiredState(id, 'resume');
    return node;
  }

  /**
   * Declares a node dead now and requeues its tasks. If the node is alive, it stops their runs.
   *
   * @returns the requeued tasks of this node. @throws ClawmeshError `not-found`.
   */
  async evict(id: string): Promise<LoggedHandover[]> {
    await this.#check(id);
    const { redis, keys, registry, config } = this.#context;
    const before = await lastHandover(redis, keys);
    await registry.evict(id, leaseMs(config));
    await this.#tasks.requeueOrphaned();
    // Any node may have been faster with some of the tasks, so the log tells which were requeued, and not this pass.
    return (await handoversAfter(redis, keys, before)).filter(({ from }) => from === id);
  }

  /**
   * Forgets a node that is away for good, such as a retired Mac. If it comes back, it is a new node.
   *
   * @returns the number of tasks that wait for this node alone.
   * @throws ClawmeshError `not-found`; `failed` if its lease has not ended, or it still has claims.
   */
  async forget(id: string): Promise<{ readonly waiting: number }> {
    const { redis, keys, reader, registry } = this.#context;
    const forgotten = await forgetNode(redis, keys, id);
    if (forgotten.outcome === 'forgotten') {
      // Tasks that another node may run once this one is gone do not count.
      const held = (await reader.held()).filter(({ reason }) => reason?.kind === 'node' && reason.id === id);
      return { waiting: held.reduce((sum, { count }) => sum + count, 0) };
    }
    if (forgotten.outcome === 'has-claims') {
      const { tasks } = forgotten;
      const problem = `node ${id} still has claims on ${counted(tasks.length, 'task')}: ${listed(tasks)}`;
      throw new ClawmeshError('failed', problem, { remedy: `first: clawmesh node evict ${id}, which requeues them` });
    }
    const nodes = await registry.seen();
    if (forgotten.outcome === 'unknown') throw unknown(id, nodes);
    const state = nodes.find((node) => node.id === id)?.state ?? 'up';
    throw new ClawmeshError('failed', `node ${id} is ${state}`, {
      remedy: `stop its daemon first or, if its Mac is gone, run clawmesh node evict ${id}`,
    });
  }

  /** Makes a node fail for a drill: its daemon crashes, or freezes until its lease has ended. @throws `not-found`. */
  async failForDrill(id: string, kind: 'crash' | 'freeze'): Promise<void> {
    if (!(await this.#context.registry.setDesiredState(id, `drill-${kind}`))) throw await this.#unknown(id);
  }

  /** Reads one node's record instead of all: a mesh may have a thousand. */
  async #check(id: string): Promise<void> {
    if (!(await this.#context.registry.find(id))) throw await this.#unknown(id);
  }

  async #unknown(id: string): Promise<ClawmeshError> {
    return unknown(id, await this.#context.registry.seen());
  }
}

function unknown(id: string, nodes: readonly SeenNode[]): ClawmeshError {
  return notFound(
    'node',
    id,
    nodes.map((node) => node.id),
  );
}
