import { expect, it } from 'vitest';
import { storedClaim } from '../../src/queue/bullmq/stored-claim.ts';

const DATA = { v: 1, message: 'x', tags: { a: '1' }, attempts: 3 };
const read = (fields: Record<string, string> = {}) =>
  storedClaim('t1', 'p', 'mac-1~1:1', new Map(Object.entries({ data: JSON.stringify(DATA), ...fields })));
const lines = (...history: object[]) => history.map((line) => `${JSON.stringify(line)}\n`).join('');
const HANDOVER = { at: 5_000, event: 'handover', node: 'mac-2', attempt: 1, reason: 'crash', silentMs: 400 };

it('reads a task that was never claimed before', () => {
  expect(read({ timestamp: '1000', delay: '500', processedOn: '2000' })).toEqual({
    claim: {
      taskId: 't1',
      pool: 'p',
      token: 'mac-1~1:1',
      spec: DATA,
      attempt: 1,
      maxAttempts: 3,
      handovers: 0,
      holds: 0,
      refusedOn: null,
      fellBack: false,
      movedFrom: undefined,
      trace: undefined,
      claimedAt: 2_000,
      readyAt: 1_500,
      takenOver: undefined,
    },
    spec: DATA,
    newer: undefined,
  });
});

it('counts the attempts, handovers and holds of a task from its own hash', () => {
  const fields = { atm: '2', 'cm:max': '6', 'cm:handovers': '4', 'cm:holds': '5' };
  expect(read(fields).claim).toMatchObject({ attempt: 3, maxAttempts: 6, handovers: 4, holds: 5 });
});

it('reads on which node a task was refused, whether it fell back, and from where it moved', () => {
  const fields = { 'cm:refusedOn': 'mac-2', 'cm:fellBack': '1', 'cm:movedFrom': 'mac-3' };
  expect(read(fields).claim).toMatchObject({ refusedOn: 'mac-2', fellBack: true, movedFrom: 'mac-3' });
});

it.each([
  ['{"tm":"00-a-b-01","attempts":1}', '00-a-b-01'],
  ['{"attempts":1}', undefined],
  ['{"tm":7}', undefined],
  ['{"tm":"x"', undefined],
])('reads the trace context of a task from the options %s', (opts, trace) => {
  expect(read({ opts }).claim.trace).toBe(trace);
});

it.each([
  [lines(HANDOVER), { reason: 'crash', lostAt: 4_600 }],
  [lines({ ...HANDOVER, event: 'claimed' }, { ...HANDOVER, silentMs: undefined }), { reason: 'crash', lostAt: 5_000 }],
  [lines(HANDOVER, { ...HANDOVER, event: 'retry' }), undefined],
  ['mangled', undefined],
])('counts a claim as a takeover only if the last event was a handover', (history, takenOver) => {
  expect(read({ 'cm:handovers': '1', 'cm:history': history }).claim.takenOver).toEqual(takenOver);
});

it('reads session and target of a task in a newer format, but no message', () => {
  const data = { ...DATA, v: 2, agent: 'a', session: 's', node: 7, nodeFallback: true };
  expect(read({ data: JSON.stringify(data) })).toMatchObject({
    claim: { spec: { message: '', tags: {}, agent: 'a', session: 's', nodeFallback: true }, maxAttempts: 1 },
    spec: undefined,
    newer: 2,
  });
});

it.each(['not JSON', '{"v":"?"}', '{"v":1}', ''])('finds neither a task nor a newer format in %j', (data) => {
  expect(read({ data })).toMatchObject({
    claim: { spec: { message: '', tags: {} } },
    spec: undefined,
    newer: undefined,
  });
});
