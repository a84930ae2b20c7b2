import { describe, expect, it } from 'vitest';
import { waitUntilDrained } from '../../src/client/drain.ts';
import type { DesiredState, Node } from '../../src/domain/node.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

function aNode(changed: Partial<Node> = {}): Node {
  return { ...aNodeRecord(), id: 'mac-1', heartbeatAgeMs: 0, orphaned: [], ...changed };
}

describe('a wait for a drained node', () => {
  /** A node that changes at these times (ms of the wait). */
  const drainOf = (stages: Readonly<Record<number, Partial<Node>>>, more: { timeoutMs?: number } = {}) => {
    const clock = new VirtualClock();
    const reads: number[] = [];
    let desired: DesiredState | undefined = 'drain';
    const now = () =>
      aNode(
        Object.entries(stages)
          .filter(([at]) => Number(at) <= clock.monotonic())
          .at(-1)?.[1],
      );
    const existing = async () => {
      reads.push(clock.monotonic());
      return now();
    };
    const nodes = { existing, desired: async () => desired };
    const waiting = waitUntilDrained({ nodes, clock, asked: now(), ...more });
    waiting.catch(() => {}); // awaited by the test
    const resume = () => {
      desired = undefined;
    };
    return { clock, reads, waiting, resume };
  };

  it('ends at once if the node drains and runs nothing', async () => {
    const { waiting, reads } = drainOf({ 0: { state: 'draining' } });
    expect(await waiting).toMatchObject({ state: 'draining' });
    expect(reads).toEqual([]);
  });

  it('looks every 250 ms until the node has confirmed the drain and its last task has ended', async () => {
    const { clock, waiting, reads } = drainOf({
      0: { state: 'up', running: ['t1'] },
      300: { state: 'draining', running: ['t1'] },
      700: { state: 'draining', running: [] },
    });
    await clock.advance(749);
    expect(reads).toEqual([250, 500]);
    await clock.advance(1);
    expect(await waiting).toMatchObject({ state: 'draining', running: [] });
  });

  it('times out exactly after its limit and names what still runs', async () => {
    const { clock, waiting, reads } = drainOf({ 0: { state: 'draining', running: ['t1'] } }, { timeoutMs: 1_100 });
    await clock.advance(1_100);
    await expect(waiting).rejects.toMatchObject({
      code: 'timeout',
      message: 'mac-1 still runs 1 task after 1.1s: t1',
    });
    expect(reads).toEqual([250, 500, 750, 1_000, 1_100]);
    expect(clock.pending).toBe(0);
  });

  it('fails if the node is resumed during the wait', async () => {
    const { clock, waiting, resume } = drainOf({ 0: { state: 'draining', running: ['t1'] } });
    await clock.advance(250);
    resume();
    await clock.advance(250);
    await expect(waiting).rejects.toMatchObject({
      code: 'failed',
      message: 'mac-1 was resumed or paused before it was drained',
    });
  });

  it('fails if the node dies with a task, even if other nodes have claimed the task by then', async () => {
    const { clock, waiting } = drainOf({
      0: { state: 'draining', running: ['t1', 't2'] },
      250: { state: 'dead', running: [], orphaned: [] },
    });
    await clock.advance(250);
    await expect(waiting).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('mac-1 is dead; 2 tasks'),
    });
  });

  it('ends without an error if the node has stopped after its last task', async () => {
    const { clock, waiting } = drainOf({
      0: { state: 'draining', running: ['t1'] },
      250: { state: 'stopped', running: [] },
    });
    await clock.advance(250);
    expect(await waiting).toMatchObject({ state: 'stopped' });
  });
});
