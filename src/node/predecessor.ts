import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../domain/clock.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { isThere } from '../domain/node-state.ts';
import { isAlive } from '../platform/process.ts';
import { type NodeHolder, onOneMachine, readHolder, thisHolder } from '../registry/node-holder.ts';
import type { NodeBackend } from './node-backend.ts';

/** A live daemon replies within this time, ms; a frozen one, or a dead Mac's half-open connection, does not. */
const ANSWER_MS = 2_000;
/** Interval between questions, ms: a starting daemon listens only a moment after it has registered. */
const ASK_AGAIN_MS = 200;

type Backend = Pick<NodeBackend, 'registry' | 'holders' | 'openPresence'>;

/**
 * Two daemons of one node id would fence each other forever: a cloned Mac, or a second manual start. So this asks the
 * previous daemon whether it is alive.
 *
 * @returns the incarnation that is certainly gone, to be replaced by the next; 0 if there was none.
 * @throws ClawmeshError `failed` if it is alive.
 */
export async function goneIncarnation(backend: Backend, nodeId: string, clock: Clock): Promise<number> {
  const { registry, holders } = backend;
  const { incarnation, connections } = await holders.present(nodeId);
  if (incarnation === 0) return 0;
  const owner = { nodeId, incarnation };
  const mayLive = connections > 0 || (await holders.isStarting(owner));
  const holder = mayLive ? await askHolder(backend, owner, clock) : undefined;
  if (holder) throw inUse(nodeId, holder);
  const node = await registry.find(nodeId);
  const { state, host = '', pid = 0 } = node ?? {};
  // A process of this machine may be frozen. A node id in use on another machine stays reserved until its lease ends.
  const leased = state !== undefined && isThere(state) && node?.incarnation === incarnation;
  const here = host === hostname();
  if (leased && here && mayLive && pid !== process.pid && isAlive(pid)) throw inUse(nodeId, { ...thisHolder(), pid });
  if (leased && !here) throw inUse(nodeId, { host, pid, addresses: [] });
  return incarnation;
}

/** Asks the current daemon to identify itself; undefined if none replies. */
async function askHolder(
  { holders, openPresence }: Backend,
  owner: { nodeId: string; incarnation: number },
  clock: Clock,
): Promise<NodeHolder | undefined> {
  const answer = Promise.withResolvers<NodeHolder>();
  const answers = await openPresence((message) => {
    const holder = readHolder(message);
    if (holder) answer.resolve(holder);
  });
  try {
    const question = randomUUID();
    await answers.show([holders.answerChannel(question)]);
    const giveUpAt = clock.monotonic() + ANSWER_MS;
    while (clock.monotonic() < giveUpAt) {
      await holders.ask(owner, question);
      const holder = await Promise.race([answer.promise, clock.sleep(ASK_AGAIN_MS)]);
      if (holder) return holder;
    }
    return undefined;
  } finally {
    answers.hide();
  }
}

function inUse(nodeId: string, holder: NodeHolder): ClawmeshError {
  const me = thisHolder();
  if (onOneMachine(holder, me) && isAlive(holder.pid)) {
    return new ClawmeshError('failed', `node ${nodeId} is already up as process ${holder.pid}`, {
      remedy: 'stop that process first',
    });
  }
  const [address] = holder.addresses;
  const twin = holder.host === me.host ? ', another machine with this name' : '';
  return new ClawmeshError(
    'failed',
    `node ${nodeId} is already up on ${holder.host}${address === undefined ? '' : ` (${address})`}${twin}`,
    { remedy: 'give this Mac its own id (CLAWMESH_NODE_ID)' },
  );
}
