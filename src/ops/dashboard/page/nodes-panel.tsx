import { useMemo, useState } from 'preact/hooks';
import { slotsOf } from '../../../domain/node.ts';
import { isThere } from '../../../domain/node-state.ts';
import type { LiveNode } from '../mesh-changes.ts';
import { ActionButton } from './steering.tsx';
import { ago } from './words.ts';

/** Maximum number of cards, unless the user wants to see all nodes. */
const MOST_CARDS = 24;
/** Nodes that need attention come first. */
const BY_TROUBLE = ['dead', 'gated', 'paused', 'draining', 'up', 'stopped'];

export function Nodes({ nodes, now, steer }: { nodes: readonly LiveNode[]; now: number; steer: boolean }) {
  const [all, setAll] = useState(false);
  const rank = (node: LiveNode) => BY_TROUBLE.indexOf(node.state) - Math.min(node.running.length, 1) / 2;
  const shown =
    all || nodes.length <= MOST_CARDS ? nodes : [...nodes].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_CARDS);
  return (
    <section class="panel" aria-labelledby="nodes-title">
      <header>
        <h2 id="nodes-title">Nodes</h2>
        {nodes.length > MOST_CARDS && (
          <button type="button" aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? `Show ${MOST_CARDS}` : `Show all ${nodes.length}`}
          </button>
        )}
      </header>
      <div class="cards">
        {shown.map((node) => (
          <SteadyCard key={node.id} node={node} heartbeat={heartbeatWords(node, now)} steer={steer} />
        ))}
      </div>
    </section>
  );
}

interface CardProps {
  readonly node: LiveNode;
  readonly heartbeat: string;
  readonly steer: boolean;
}

/** Renders a card only when its text has changed: there may be hundreds, and the page renders with every message. */
function SteadyCard({ node, heartbeat, steer }: CardProps) {
  return useMemo(() => <NodeCard node={node} heartbeat={heartbeat} steer={steer} />, [node, heartbeat, steer]);
}

function NodeCard({ node, heartbeat, steer }: CardProps) {
  const { id, state, host, openclaw, gates, load, pools, running, maxTasks } = node;
  const slots = slotsOf(
    Object.values(pools).map(({ concurrency }) => concurrency),
    maxTasks,
  );
  const closed = gates.filter((gate) => !gate.open);
  const lives = isThere(state);
  return (
    <article class={`card ${state}`} data-node={id}>
      <h3>
        {id} <span class={`state ${state}`}>{state}</span>
      </h3>
      <div class="meter" aria-hidden="true">
        <i style={{ width: `${slots === 0 || !lives ? 0 : Math.min(100, (100 * running.length) / slots)}%` }} />
      </div>
      <p>
        {lives ? running.length : 0} of {slots} slots · {Object.keys(pools).join(', ')}
      </p>
      <p class="dim">
        {host} · OpenClaw {openclaw.version ?? openclaw.mode}
        {openclaw.healthy ? '' : ', not ready'} · load {load.cpu.toFixed(1)} per core, memory{' '}
        {Math.round(load.memory * 100)} %
      </p>
      <p class="dim">{heartbeat}</p>
      {lives &&
        closed.map((gate) => (
          <p key={gate.name} class="gate">
            {gate.name}: {gate.reason}
          </p>
        ))}
      {steer && lives && (
        <div class="buttons">
          {state === 'draining' || state === 'paused' ? (
            <ActionButton
              action={{ label: 'Resume', question: `Let ${id} claim tasks again?`, path: `/api/v1/nodes/${id}/resume` }}
            />
          ) : (
            <ActionButton
              action={{
                label: 'Drain',
                question: `Stop ${id} from claiming tasks? It releases runs that outlast its drainTimeout to other nodes.`,
                path: `/api/v1/nodes/${id}/drain`,
              }}
            />
          )}
          <ActionButton
            action={{
              label: 'Evict',
              danger: true,
              question: `Declare ${id} dead now? ${running.length === 1 ? 'Its task starts' : `Its ${running.length} tasks start`} again on other nodes.`,
              path: `/api/v1/nodes/${id}/evict`,
            }}
          />
        </div>
      )}
    </article>
  );
}

function heartbeatWords({ state, heartbeatAt }: LiveNode, now: number): string {
  if (heartbeatAt === null) return state === 'dead' ? 'no heartbeat' : 'stopped';
  return now - heartbeatAt < 1_000 ? 'last heartbeat just now' : `last heartbeat ${ago(heartbeatAt, now)}`;
}
