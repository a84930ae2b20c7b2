import { describe, expect, it } from 'vitest';
import { ExecStdout, execOutcome } from '../../src/runners/exec-envelope.ts';
import { describeEvent, gatewayOutcome } from '../../src/runners/gateway-reply.ts';

/** JSON as OpenClaw would print it: some numbers below are none in JavaScript. */
const envelope = (usage: string) => {
  const stdout = new ExecStdout();
  stdout.push(Buffer.from(`{"ok":true,"final":"done","usage":${usage}}`));
  stdout.end();
  return execOutcome({ stdout, exitCode: 0, signal: null, durationMs: 1 }, 0);
};
const reply = (usage: string) =>
  gatewayOutcome(
    JSON.parse(`{"status":"ok","result":{"payloads":[{"text":"done"}],"meta":{"agentMeta":{"usage":${usage}}}}}`),
    { runId: 'run', durationMs: 1, now: 0 },
  );

describe.each([
  ['an exec envelope', envelope],
  ['a gateway reply', reply],
])('the usage in %s', (_, outcome) => {
  it.each([
    ['{"input":11.5,"output":2.4}', { input: 12, output: 2, total: 14 }],
    ['{"input":0,"output":0,"total":0.2}', { input: 0, output: 0, total: 0 }],
    ['{"input":3,"output":4,"total":-1}', { input: 3, output: 4, total: 7 }],
    ['{"input":3,"output":4,"total":1e300}', { input: 3, output: 4, total: 7 }],
    ['{"input":3,"output":4,"cost":{"total":0.25}}', { input: 3, output: 4, total: 7, cost: 0.25 }],
    ['{"input":3,"output":4,"cost":{"total":-0.25}}', { input: 3, output: 4, total: 7 }],
    ['{"input":3,"output":4,"cost":{"total":1e999}}', { input: 3, output: 4, total: 7 }],
    ['{"input":3,"output":4,"cost":"free"}', { input: 3, output: 4, total: 7 }],
    ['{"input":-1,"output":4}', null],
    ['{"input":1e300,"output":4}', null],
    ['{"input":1e999,"output":4}', null],
    ['{"input":9007199254740993,"output":4}', null],
    ['{"input":"many","output":4}', null],
    ['{"input":"12","output":4}', null],
    ['{"input":null,"output":4}', null],
    ['[1,2]', null],
    ['"none"', null],
    ['7', null],
  ])('reads %s as %j, and keeps the answer', (usage, expected) => {
    expect(outcome(usage)).toMatchObject({ ok: true, result: { text: 'done', usage: expected } });
  });
});

it('reports no progress for invalid counts of tokens', () => {
  const tokens = (outputTokens: unknown) => describeEvent({ runId: 'r', stream: 'usage', data: { outputTokens } });
  expect(tokens(11.6)).toEqual([{ type: 'progress', note: 'answering', tokens: 12 }]);
  expect([-1, 1e300, Number.POSITIVE_INFINITY, Number.NaN, '7', null].flatMap(tokens)).toEqual([]);
});
