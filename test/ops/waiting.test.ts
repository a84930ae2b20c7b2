import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { parseHoldReason } from '../../src/domain/hold-reason.ts';
import type { Node } from '../../src/domain/node.ts';
import { strandedTasks } from '../../src/ops/problems.ts';
import { type WaitingFacts, type WaitingTask, whyWaiting } from '../../src/ops/waiting.ts';
import type { HeldTasks } from '../../src/queue/bullmq/task-reader.ts';
import { aNodeRecord } from '../support/node-record.ts';

const pools = { default: { concurrency: 2, running: 0 } };

function aNode(id: string, changed: Partial<Node> = {}): Node {
  return { ...aNodeRecord(), id, pools, heartbeatAgeMs: 0, orphaned: [], ...changed };
}

function held(why: string, stickyNode: string | null = null, count = 1): HeldTasks {
  return { pool: 'default', why, reason: parseHoldReason(why), stickyNode, count };
}

const config = configSchema.parse({ mesh: 'm', redis: { url: 'redis://h' } });

describe('the reason why a held task waits', () => {
  const facts = (changed: Partial<WaitingFacts> = {}): WaitingFacts => ({
    nodes: [aNode('mac-1', { labels: { xcode: '26' } })],
    pools: new Map(),
    circuits: [],
    held: [],
    config,
    now: 0,
    ...changed,
  });
  const text = (task: Partial<WaitingTask>, changed?: Partial<WaitingFacts>) => {
    const some = { agent: null, session: null, model: null, target: null, heldBy: null, delayedUntil: null };
    return whyWaiting({ pool: 'default', state: 'waiting', ...some, ...task }, facts(changed))?.text;
  };

  it('names the sticky node of the session of this agent if that node takes no tasks', () => {
    const task = { heldBy: 'session chat', agent: 'ops', session: 'chat' };
    const nodes = [aNode('mac-1'), aNode('mac-2', { state: 'gated' })];
    const elsewhere = [held('session:|chat', 'mac-1'), held('session:ops|chat', 'mac-2')];
    expect(text(task, { nodes, held: elsewhere })).toBe('session chat is sticky to mac-2, which is gated');
    expect(text({ ...task, agent: null }, { nodes, held: elsewhere })).toBe(
      'another task of session chat comes first, on mac-1',
    );
    expect(text(task)).toBe('another task of session chat comes first');
  });

  it('names the open circuit that holds the task, not that of its own model', () => {
    const circuits = ['p/a', 'p/b'].map((name) => ({
      name,
      failures: 3,
      kind: 'provider' as const,
      message: 'down',
      openedAt: new Date(0).toISOString(),
      nextProbeAt: null,
      probe: null,
      tasks: [],
    }));
    expect(text({ heldBy: 'circuit p/b', model: 'p/a' }, { circuits })).toBe('tasks of p/b are held: provider: down');
    expect(text({ model: 'p/a' }, { circuits })).toBe('tasks of p/a are held: provider: down');
  });

  it.each([
    ['after', 'it waits for other tasks to complete (--after)'],
    ['node mac-9', 'the mesh does not know node mac-9'],
    ['prefer mac-9', 'the mesh does not know node mac-9'],
    ['node mac-9&allow:main|', 'the mesh does not know node mac-9'],
    ['require xcode=27', 'no node has xcode=27; known labels: xcode=26'],
    ['require xcode=26,xcode=27', 'no node has xcode=27; known labels: xcode=26'],
    ['format 2', 'no node may run it'],
    ['allow ops|', undefined],
    ['children of its BullMQ flow', 'it is held by children of its BullMQ flow'],
  ])('explains heldBy %s as %s', (heldBy, expected) => {
    expect(text({ heldBy })).toBe(expected);
  });

  it('explains the target of the task if only a closed circuit holds it', () => {
    expect(text({ heldBy: 'circuit p/a', target: 'node:mac-9' })).toBe('the mesh does not know node mac-9');
    expect(text({ target: 'require:xcode=27' })).toBe('no node has xcode=27; known labels: xcode=26');
  });

  it('names the node that is away among those that may run the agent', () => {
    const nodes = [
      aNode('mac-1', { labels: { x: '1' }, allow: { agents: ['main'] } }),
      aNode('mac-2', { labels: { x: '1' }, state: 'dead' }),
    ];
    const task = { heldBy: 'require x=1&allow:ops|', agent: 'ops', target: 'require:x=1' };
    expect(text(task, { nodes })).toBe('nodes with x=1: mac-2 is dead');
  });
});

describe('tasks that no node which is up may run', () => {
  const whats = (nodes: readonly Node[], ...tasks: HeldTasks[]) =>
    strandedTasks(nodes, tasks).map(({ problem }) => problem.replace(/^1 task waits for /, ''));

  it.each([
    ['node:mac-9', 'mac-9'],
    ['prefer:mac-9', 'mac-9'],
    ['require:x=1,y=2', 'a node with x=1,y=2'],
    ['allow:ops|', 'a node that may run agent ops'],
    ['allow:ops|m', 'a node that may run agent ops with model m'],
    ['node:mac-9&allow:ops|m', 'mac-9 that may run agent ops with model m'],
    ['require:x=1&allow:ops|', 'a node with x=1 that may run agent ops'],
    ['format:2', 'a node with a newer clawmesh'],
  ])('reports such tasks with what they wait for: %s is %s', (why, who) => {
    const nodes = [aNode('mac-1', { allow: { agents: ['main'] } })];
    expect(whats(nodes, held(why))).toEqual([`${who}: the mesh knows no such node`]);
  });

  it('reports such tasks with the nodes that may run them, and why those do not', () => {
    const nodes = [
      aNode('mac-1', { labels: { x: '1' }, state: 'gated' }),
      aNode('mac-2', { labels: { x: '1' }, pools: {} }),
      aNode('mac-3'),
    ];
    expect(whats(nodes, held('require:x=1'))).toEqual([
      'a node with x=1: mac-1 is gated, mac-2 does not serve pool default',
    ]);
    expect(whats(nodes, held('session:main|a:b', 'mac-1'))).toEqual(['session a:b: mac-1 is gated']);
    const [newer, session] = strandedTasks(nodes, [held('format:2'), held('session:|s', 'mac-1')]);
    expect(newer?.remedy).toBe('upgrade clawmesh on the nodes, and on this machine');
    expect(session?.remedy).toMatch(/^see clawmesh node show mac-1; or drain it/);
  });

  it('does not report tasks that wait for something else, for a node that is up, or that are gone', () => {
    const nodes = [aNode('mac-1')];
    const others = ['after', 'circuit:default', 'session:|s', 'weather:rain', 'node:mac-1'].map((why) => held(why));
    expect(strandedTasks(nodes, [...others, held('session:|t', 'mac-1'), held('node:mac-9', null, 0)])).toEqual([]);
  });
});
