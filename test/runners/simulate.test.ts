import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/runners/runner.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { never, request } from '../support/openclaw-stand-in.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

describe('a simulated run', () => {
  /** Starts the run; `outcome()` is undefined while it runs. */
  const begin = (message: string, signal = never) => {
    const clock = new VirtualClock();
    const events: RunEvent[] = [];
    let outcome: unknown;
    const run = new SimulateRunner({ clock }).run(request(message), signal, (event) => events.push(event));
    void run.then((ended) => {
      outcome = ended;
    });
    return { clock, events, outcome: () => outcome };
  };

  it.each([
    ['hello', 50],
    ['sleep 0s', 0],
    ['sleep 120ms', 120],
    ['sleep 1h', 3_600_000],
    ['sleep 365d', 365 * 86_400_000],
    ['sleep well', 50],
  ])('ends for %j after exactly %i ms and returns its message', async (message, durationMs) => {
    const { clock, outcome } = begin(message);
    if (durationMs > 0) {
      await clock.advance(durationMs - 1);
      expect(outcome()).toBeUndefined();
    }
    await clock.advance(1);
    const result = { text: message, usage: null, model: 'simulate', runId: 'clawmesh-t1-2-h1', durationMs };
    expect(outcome()).toEqual({ ok: true, result });
    expect(clock.pending).toBe(0);
  });

  it('reports progress once it has begun', () => {
    expect(begin('hello').events).toEqual([{ type: 'progress', note: 'simulated run', tokens: null }]);
  });

  it.each([
    ['fail rate_limit', 'rate_limit', true],
    ['  fail auth\n', 'auth', false],
  ])('fails for %j at once with the kind of error %s', async (message, kind, retryable) => {
    const { clock, outcome } = begin(message);
    await settled();
    expect(outcome()).toMatchObject({ ok: false, error: { kind, retryable, message: `simulated ${kind}` } });
    expect(clock.pending).toBe(0);
  });

  it('echoes a message that names no kind of error', async () => {
    const { clock, outcome } = begin('fail quickly');
    await clock.advance(50);
    expect(outcome()).toMatchObject({ ok: true, result: { text: 'fail quickly' } });
  });

  it('stops as soon as its signal aborts, and leaves no timer behind', async () => {
    const abort = new AbortController();
    const { clock, outcome } = begin('sleep 1h', abort.signal);
    await clock.advance(10);
    abort.abort();
    await settled();
    expect(outcome()).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
    expect(clock.pending).toBe(0);
  });
});
