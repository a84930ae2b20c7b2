import { expect, it } from 'vitest';
import { type Outcome, taskError } from '../../src/domain/task.ts';
import { adoptionWindowMs, adoptPrevious } from '../../src/node/adoption.ts';
import type { ClaimLoop } from '../../src/node/claim-loop.ts';
import type { JournalEntry } from '../../src/node/journal-entry.ts';
import { capabilitiesOf, testContext } from '../support/node-context.ts';
import { aClaim } from '../support/run-context.ts';

const failed: Outcome = { ok: false, error: taskError('unknown', 'x') };
const entryOf = (taskId: string, handovers = 0): JournalEntry => ({
  taskId,
  pool: 'default',
  attempt: 1,
  handovers,
  holds: 0,
  endedAt: '2026-01-01T00:00:00.000Z',
  outcome: failed,
});

/** Incarnation 2 of mac-1 adopts these claims, with these outcomes in its journal. */
async function adopt(claims: ReturnType<typeof aClaim>[], entries: JournalEntry[], outlivesDaemon: boolean) {
  const discarded: string[] = [];
  const released: unknown[] = [];
  const taken: [string, Outcome | undefined][] = [];
  const wanted: unknown[] = [];
  const context = testContext({
    journal: { pending: () => [...entries], discard: ({ taskId }) => void discarded.push(taskId) },
    registry: { endReservation: async (owner) => void released.push(owner) },
    runner: { capabilities: capabilitiesOf({ outlivesDaemon }) },
  });
  const loop = {
    queue: {
      adopt: async (what: unknown) => {
        wanted.push(what);
        return claims;
      },
    },
    take: ({ taskId }: { taskId: string }, outcome?: Outcome) => taken.push([taskId, outcome]),
  } as unknown as ClaimLoop;
  const owner = { nodeId: 'mac-1', incarnation: 2 };
  const adopted = await adoptPrevious({ ...context, owner }, { loops: [loop] });
  return { adopted, taken, discarded, released, wanted };
}

it('names the runs that it adopts, but no run whose outcome it only delivers', async () => {
  const ended = aClaim('t2', { handovers: 1 });
  const { adopted, taken, wanted } = await adopt(
    [aClaim('a:1', { attempt: 2, holds: 3 }), ended],
    [entryOf('t2', 1)],
    true,
  );
  expect(wanted).toEqual(['all']);
  expect(taken).toEqual([
    ['a:1', undefined],
    ['t2', failed],
  ]);
  expect(adopted).toEqual(['clawmesh-a-1-2-w3']);
});

it('adopts only tasks with an undelivered outcome if no run outlives the daemon', async () => {
  const { wanted } = await adopt([], [entryOf('t2')], false);
  expect(wanted).toEqual([['t2']]);
});

it('discards outcomes whose claim is lost, and then ends the reservation for the previous incarnation', async () => {
  const { discarded, released, taken } = await adopt([], [entryOf('t1')], false);
  expect([taken, discarded]).toEqual([[], ['t1']]);
  expect(released).toEqual([{ nodeId: 'mac-1', incarnation: 1 }]);
});

it.each([
  ['nothing', [], false, 0],
  ['runs that outlive the daemon', [], true, 30_000],
  ['an outcome to deliver', [entryOf('t1')], false, 30_000],
])('reserves tasks for the next incarnation only if it may adopt some: %s', (_, entries, outlivesDaemon, windowMs) => {
  const context = testContext({
    journal: { pending: () => entries },
    runner: { capabilities: capabilitiesOf({ outlivesDaemon }) },
  });
  expect(adoptionWindowMs(context)).toBe(windowMs);
});
