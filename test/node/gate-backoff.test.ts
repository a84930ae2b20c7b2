import { expect, it } from 'vitest';
import { GateBackoff } from '../../src/node/gate-backoff.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const openGate = (check?: () => Promise<string | null | undefined>) => {
  const clock = new VirtualClock();
  const changes: string[] = [];
  const gate: GateBackoff = new GateBackoff({
    clock,
    firstMs: 1_000,
    mostMs: 3_000,
    onChange: () => changes.push(gate.reason ?? (gate.isTrying ? 'trying' : 'open')),
    check,
  });
  return { clock, gate, changes };
};
const why = (pauseMs: number) => `closed for ${pauseMs}`;

it('runs one probe task at a time after the pause, and opens the gate once it has succeeded', async () => {
  const { clock, gate, changes } = openGate();
  gate.close(why);
  expect(gate.reason).toBe('closed for 1000');
  await clock.advance(1_000);
  expect(gate.mayBegin(['old'])).toBe(true);
  gate.began('t1');
  expect(gate.mayBegin(['old', 't1'])).toBe(false);
  gate.succeeded('old');
  expect(gate.isTrying).toBe(true);
  gate.succeeded('t1');
  expect(gate.mayBegin(['old', 't1'])).toBe(true);
  expect(changes).toEqual(['closed for 1000', 'trying', 'open']);
});

it('sends the next probe task if the first one has ended without a verdict', async () => {
  const { clock, gate } = openGate();
  gate.close(why);
  await clock.advance(1_000);
  gate.began('t1');
  expect(gate.mayBegin([])).toBe(true);
});

it('doubles the pause after each failed probe, up to the maximum, and resets it after a success', async () => {
  const { clock, gate, changes } = openGate();
  for (const pause of [1_000, 2_000, 3_000, 3_000]) {
    gate.close(why);
    gate.close(why);
    await clock.advance(pause - 1);
    expect(gate.reason).toBe(`closed for ${pause}`);
    await clock.advance(1);
    expect(gate.isTrying).toBe(true);
  }
  gate.began('t1');
  gate.succeeded('t1');
  gate.close(why);
  expect(changes.at(-1)).toBe('closed for 1000');
});

it('sends no probe task while the check predicts a failure', async () => {
  let trouble: string | null = 'no login';
  const { clock, gate } = openGate(async () => trouble);
  gate.close(why);
  await clock.advance(10_000);
  expect(gate.reason).toBe('closed for 1000');
  trouble = null;
  await clock.advance(1_000);
  expect(gate.isTrying).toBe(true);
});

it('leaves the gate unchanged once the backoff is stopped', async () => {
  const { clock, gate, changes } = openGate();
  gate.close(why);
  gate.stop();
  await clock.advance(10_000);
  gate.close(why);
  expect(changes).toEqual(['closed for 1000']);
  expect(clock.pending).toBe(0);
});
