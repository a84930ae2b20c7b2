import { beforeEach, expect, it, vi } from 'vitest';
import { draining } from '../../src/gates/draining.ts';
import { defineGate } from '../../src/gates/gate.ts';
import { openclawHealth } from '../../src/gates/openclaw-health.ts';
import { paused } from '../../src/gates/paused.ts';
import type { Drain } from '../../src/node/drain.ts';
import { type FactSources, Gates } from '../../src/node/gates.ts';
import { testContext } from '../support/node-context.ts';
import { settled } from '../support/virtual-clock.ts';

beforeEach(() => {
  // No jitter.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});

/** The gates of a healthy node, one of which probes a disk; the test changes what they look at. */
const gatesOf = () => {
  const facts = {
    trouble: null as string | null,
    why: undefined as Drain['why'],
    pause: undefined as string | undefined,
    disk: 10 as number | Error,
  };
  const noted: string[] = [];
  const context = testContext({
    registry: {
      noteGates: async (_, changed) => {
        noted.push(...changed.map(({ name, open }) => `${name} ${open ? 'open' : 'closed'}`));
      },
    },
  });
  const disk = defineGate<number>({
    name: 'disk',
    every: 10_000,
    probe: async () => {
      if (facts.disk instanceof Error) throw facts.disk;
      return facts.disk;
    },
    check: (_, free) => (free === undefined || free >= 5 ? null : { problem: `${free} free` }),
    remedy: 'make room',
  });
  const sources: FactSources = {
    openclaw: {
      state: { mode: 'exec', version: '1', expected: null, healthy: true },
      get trouble() {
        return facts.trouble;
      },
    },
    auth: { backoff: { reason: undefined } } as FactSources['auth'],
    failures: { backoff: { reason: undefined } } as FactSources['failures'],
    probe: { sample: { pausedPools: [] } as unknown as FactSources['probe']['sample'] },
    drain: {
      get why() {
        return facts.why;
      },
    },
    pause: {
      get why() {
        return facts.pause;
      },
    },
  };
  const gates = new Gates(context, sources, [draining, paused, openclawHealth, disk]);
  /** Both return what the mesh is told then. */
  const check = async () => {
    context.events.emit('factsChanged');
    await settled();
    return noted.splice(0);
  };
  const nextProbe = async () => {
    await context.clock.advance(10_000);
    return noted.splice(0);
  };
  return { ...context, facts, gates, check, nextProbe };
};

it('announces once in the mesh each gate that closes or opens, and claims only while all are open', async () => {
  const { facts, gates, check, nextProbe } = gatesOf();
  await gates.start();
  expect([await check(), gates.open, gates.report().state]).toEqual([[], true, 'up']);
  facts.trouble = 'it hangs';
  expect(await check()).toEqual(['openclaw-health closed']);
  facts.disk = 1;
  expect([await check(), gates.open, gates.report().state]).toEqual([[], false, 'gated']);
  expect(await nextProbe()).toEqual(['disk closed']);
  facts.trouble = null;
  expect([await check(), gates.open]).toEqual([['openclaw-health open'], false]);
  facts.disk = 9;
  expect([await nextProbe(), gates.open]).toEqual([['disk open'], true]);
  facts.why = 'by hand';
  expect([await check(), gates.report().state]).toEqual([['draining closed'], 'draining']);
  facts.why = undefined;
  expect([await check(), gates.open]).toEqual([['draining open'], true]);
});

it('claims nothing before the start, and nothing once the node drains, even before the next check', async () => {
  const { facts, gates, check, emitted } = gatesOf();
  expect([await check(), gates.open, emitted]).toEqual([[], false, ['factsChanged']]);
  await gates.start();
  expect(gates.open).toBe(true);
  facts.why = 'stopping';
  expect([gates.open, gates.report().state]).toEqual([false, 'draining']);
});

it('claims nothing once the node is paused, even before the next check, and is gated no more than paused', async () => {
  const { facts, gates, check } = gatesOf();
  await gates.start();
  facts.pause = 'paused by ada';
  facts.trouble = 'it hangs';
  expect([gates.open, gates.report().state]).toEqual([false, 'paused']);
  expect(await check()).toEqual(['paused closed', 'openclaw-health closed']);
  facts.why = 'by hand';
  expect(gates.report().state).toBe('draining');
});

it('logs why a gate closed, and that it opened, and then notifies the other services', async () => {
  const { facts, gates, check, logged, emitted } = gatesOf();
  facts.trouble = 'it hangs';
  await gates.start();
  facts.trouble = null;
  await check();
  expect(logged.map(({ level, gate, reason, msg }) => [level, gate, reason, msg])).toEqual([
    ['warn', 'openclaw-health', 'it hangs', 'gate closed'],
    ['info', 'openclaw-health', undefined, 'gate open'],
  ]);
  expect(emitted).toEqual(['gatesChanged', 'factsChanged', 'gatesChanged']);
});

it('does not notify the other services if a probe finds no change', async () => {
  const { gates, clock, emitted } = gatesOf();
  await gates.start();
  await clock.advance(60_000);
  expect(emitted.filter((name) => name === 'factsChanged')).toHaveLength(6);
  expect(emitted.filter((name) => name === 'gatesChanged')).toHaveLength(1);
  await gates.stop();
});

it('keeps what a gate has probed while later probes fail', async () => {
  const { facts, gates, check, nextProbe } = gatesOf();
  facts.disk = 1;
  await gates.start();
  expect(await check()).toEqual(['disk closed']);
  facts.disk = new Error('no such folder');
  expect([await nextProbe(), gates.open]).toEqual([[], false]);
});

it('probes at once when the config has changed', async () => {
  const { facts, gates, events } = gatesOf();
  await gates.start();
  facts.disk = 1;
  events.emit('configChanged');
  await settled();
  expect(gates.open).toBe(false);
});

it('ends its probes once it is stopped', async () => {
  const { gates, clock } = gatesOf();
  await gates.start();
  await gates.stop();
  expect(clock.pending).toBe(0);
});
