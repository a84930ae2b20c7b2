import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ExecStdout, execOutcome } from '../../src/runners/exec-envelope.ts';

const NOW = Date.UTC(2026, 0, 1);
const MIB = 1_048_576;

const stdoutOf = (...chunks: string[]) => {
  const stdout = new ExecStdout();
  for (const chunk of chunks) stdout.push(Buffer.from(chunk));
  stdout.end();
  return stdout;
};
/** The outcome of a process that printed this. */
const end = (printed: string, exitCode: number | null = 0, signal: string | null = null) =>
  execOutcome({ stdout: stdoutOf(printed), exitCode, signal, durationMs: 7 }, NOW);
const message = (printed: string, exitCode: number | null = 0, signal: string | null = null) => {
  const outcome = end(printed, exitCode, signal);
  return outcome.ok ? outcome : outcome.error.message;
};

it('reads text, usage, model and run id from the envelope, whatever else is printed', () => {
  const envelope =
    '{"ok":true,"status":"ok","final":"hi","payloads":[{"text":"hi","mediaUrl":null}],"usage":{"input":11,"output":5,"cacheRead":0,"total":16,"cost":{"total":0}},"model":"echo","provider":"fake","sessionId":"s1","new":1}';
  expect(end(`warming up\n{not json\n${envelope}\nbye`)).toEqual({
    ok: true,
    result: {
      text: 'hi',
      usage: { input: 11, output: 5, total: 16, cost: 0 },
      model: 'fake/echo',
      runId: 's1',
      durationMs: 7,
    },
  });
});

it.each([
  ['{"ok":true,"payloads":[{"text":"one"},{"text":null},{},{"text":"two"}]}', 'one\n\ntwo'],
  ['{"ok":true,"final":"","payloads":[{"text":"one"}]}', 'one'],
  ['{"ok":true,"final":"last","payloads":[{"text":"one"}]}', 'last'],
  ['{"ok":true}', ''],
  ['{"ok":true,"final":"x","model":7,"payloads":"none","error":5}', 'x'],
])('takes the answer from final, else from the payloads: %s', (printed, text) => {
  expect(end(printed)).toMatchObject({ ok: true, result: { text, model: null, runId: null } });
});

it.each([
  ['{"ok":true,"final":"one"}{"ok":true,"final":"two"}', 'two', 2],
  ['{"ok":true,"final":"one"}{"ok":true}', 'one', 1],
  ['{"ok":true}{"level":"info"}', '', 0],
])('uses the last envelope with an answer: %s', (printed, text, envelopes) => {
  expect(end(printed)).toMatchObject({ ok: true, result: { text } });
  expect(stdoutOf(printed).envelopes).toBe(envelopes);
});

it.each([
  ['{"ok":false,"status":"error","final":"","error":{"message":"HTTP 401"}}', 1, 'auth', 'HTTP 401'],
  ['{"ok":false,"status":"timeout","error":{"message":"x"}}', 2, 'timeout', 'x'],
  ['{"ok":false,"status":"timeout"}', 2, 'timeout', 'OpenClaw stopped the run at its deadline'],
  ['{"ok":false,"status":"error"}', 1, 'unknown', 'error'],
  ['{"ok":false,"error":{"message":"HTTP 401"}}', 0, 'auth', 'HTTP 401'],
])('fails as the envelope %s says, with exit code %d', (printed, code, kind, text) => {
  expect(end(printed, code)).toMatchObject({ ok: false, error: { kind, message: text } });
});

it.each([
  ['', 1, null, 'openclaw ended with exit code 1 and printed nothing'],
  [' \n', 0, null, 'openclaw ended with exit code 0 and printed nothing'],
  ['', null, 'SIGKILL', 'openclaw was killed by SIGKILL and printed nothing'],
  ['{"ok":"maybe"}\n', 139, null, 'openclaw ended with exit code 139 and printed no result, but: {"ok":"maybe"}'],
])('reports a crash without an envelope, and quotes the output: %j', (printed, code, signal, text) => {
  expect(end(printed, code, signal)).toMatchObject({ ok: false, error: { kind: 'crash' } });
  expect(message(printed, code, signal)).toBe(text);
});

it('quotes at most 200 characters of the output, and cuts a message at 2000', () => {
  expect(message('x'.repeat(5_000))).toMatch(/but: x{200}$/);
  const timeout = JSON.stringify({ ok: false, status: 'timeout', error: { message: 'x'.repeat(5_000) } });
  expect(message(timeout)).toBe('x'.repeat(2_000));
});

it('keeps the usage after answers that are too long to keep whole', () => {
  const payloads = Array.from({ length: 9 }, () => ({ text: 'x'.repeat(MIB) }));
  const envelope = { ok: true, payloads, usage: { input: 1, output: 2 } };
  expect(end(JSON.stringify(envelope))).toMatchObject({
    ok: true,
    result: { usage: { input: 1, output: 2, total: 3 } },
  });
});

it('never throws, whatever is printed', () => {
  fc.assert(fc.property(fc.string(), (stdout) => typeof end(stdout).ok === 'boolean'));
  fc.assert(fc.property(fc.json(), (stdout) => typeof end(stdout).ok === 'boolean'));
});
