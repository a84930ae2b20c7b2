import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  describeEvent,
  gatewayOutcome,
  isInFlight,
  isTerminalWait,
  refusal,
  wasTurnedAway,
} from '../../src/runners/gateway-reply.ts';

const NOW = Date.UTC(2026, 0, 1);
const outcome = (reply: unknown) => gatewayOutcome(reply, { runId: 'r', durationMs: 1, now: NOW });
const events = (stream: string, data: Record<string, unknown>) => describeEvent({ runId: 'x', stream, data });

it('reads text, usage and model from a final reply, under the run’s own id', () => {
  const agentMeta = { provider: 'fake', model: 'echo', usage: { input: 1, output: 2 } };
  const payloads = [{ text: 'one' }, { text: null }, { text: 'two' }];
  expect(outcome({ status: 'ok', runId: 'other', result: { payloads, meta: { agentMeta } } })).toEqual({
    ok: true,
    result: {
      text: 'one\n\ntwo',
      usage: { input: 1, output: 2, total: 3 },
      model: 'fake/echo',
      runId: 'r',
      durationMs: 1,
    },
  });
});

it('takes a final reply without a result for an empty answer', () => {
  expect(outcome({ status: 'ok' })).toMatchObject({ ok: true, result: { text: '', usage: null, model: null } });
});

it.each([
  [{ status: 'timeout' }, 'timeout', 'OpenClaw stopped the run at its deadline'],
  [{ status: 'timeout', error: 'late' }, 'timeout', 'late'],
  [{ status: 'error', error: 'HTTP 401', summary: 'x' }, 'auth', 'HTTP 401'],
  [{ status: 'error', summary: 'HTTP 401' }, 'auth', 'HTTP 401'],
  [{ status: 'weather' }, 'unknown', 'weather'],
  [{ status: 'ok', result: { meta: { aborted: true } } }, 'cancelled', 'the run was aborted in OpenClaw'],
  [{}, 'unknown', 'the gateway sent a reply that clawmesh does not understand'],
])('reads %j as a failure of kind %s', (reply, kind, message) => {
  expect(outcome(reply)).toMatchObject({ ok: false, error: { kind, message } });
});

it('never throws, whatever the gateway replies', () => {
  fc.assert(fc.property(fc.jsonValue(), (reply) => typeof outcome(reply).ok === 'boolean'));
});

it.each([
  [{ status: 'accepted' }, true],
  [{ status: 'in_flight' }, true],
  [{ status: 'ok' }, false],
  [{}, false],
  [null, false],
])('takes %j for a run that continues: %s', (reply, expected) => {
  expect(isInFlight(reply)).toBe(expected);
});

it.each([
  [{ status: 'ok' }, true],
  [{ status: 'error' }, true],
  [{ status: 'timeout', endedAt: 5 }, true],
  [{ status: 'timeout' }, false],
  [{ status: 'accepted', endedAt: 5 }, false],
  ['ok', false],
])('takes %j for the end of the run, not only of the wait: %s', (reply, expected) => {
  expect(isTerminalWait(reply)).toBe(expected);
});

it('blames an invalid request on the task, and classifies any other refusal by its text', () => {
  const refused = (code: string) => refusal(Object.assign(new Error('HTTP 503'), { code, retryable: false }), NOW);
  expect(refused('INVALID_REQUEST')).toMatchObject({ ok: false, error: { kind: 'invalid', message: 'HTTP 503' } });
  expect(refused('UNAVAILABLE')).toMatchObject({ ok: false, error: { kind: 'provider', outage: true } });
});

it.each([
  ['UNAVAILABLE', false, undefined, true],
  ['OTHER', true, undefined, true],
  ['OTHER', false, undefined, false],
  ['UNAVAILABLE', true, { status: 'error' }, false],
])('takes %s (retryable: %s, with payload %j) for a gateway that accepts no runs at present: %s', (...row) => {
  const [code, retryable, responsePayload, expected] = row;
  expect(wasTurnedAway({ code, message: 'x', retryable, responsePayload })).toBe(expected);
});

it.each([
  ['assistant', { delta: 'he' }, [{ type: 'text', delta: 'he' }]],
  ['assistant', { delta: '' }, []],
  [
    'tool',
    { name: 'bash' },
    [
      { type: 'log', text: 'tool bash: start' },
      { type: 'progress', note: 'tool bash', tokens: null },
    ],
  ],
  ['tool', { toolName: 'bash', phase: 'end' }, [{ type: 'log', text: 'tool bash: end' }]],
  ['lifecycle', { phase: 'start' }, [{ type: 'log', text: 'run started' }]],
  ['lifecycle', { phase: 'model', provider: 'fake', model: 'echo' }, [{ type: 'log', text: 'model fake/echo' }]],
  ['lifecycle', { phase: 'error', error: 'x' }, [{ type: 'log', text: 'run failed: x' }]],
  ['lifecycle', { phase: 'error' }, [{ type: 'log', text: 'run failed: no reason given' }]],
  ['lifecycle', { phase: 'end' }, [{ type: 'log', text: 'run ended' }]],
  ['lifecycle', { phase: 7 }, []],
  ['weather', { phase: 'start' }, []],
])('describes an event %s %j for people', (stream, data, expected) => {
  expect(events(stream, data)).toEqual(expected);
});
