import { parentPort, workerData } from 'node:worker_threads';
import { oneLine } from '../../src/cli/output.ts';
import { EnvText } from '../../src/config/env-text.ts';
import { envValues } from '../../src/config/env-values.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { holdReasonOf, parseHoldReason } from '../../src/domain/hold-reason.ts';
import { nearest } from '../../src/domain/names.ts';
import { fillResults, wantedResults } from '../../src/domain/placeholders.ts';
import { maskedLine, secretMasker } from '../../src/domain/secrets.ts';
import { parseTarget } from '../../src/domain/target.ts';
import { printable, withoutEscapes } from '../../src/domain/terminal-text.ts';
import { utf8Text } from '../../src/domain/text.ts';
import { parseDuration, parseSize } from '../../src/domain/units.ts';
import { parsePs } from '../../src/platform/process-table.ts';
import { parseSleep } from '../../src/platform/sleep-settings.ts';
import { parseNewTask } from '../../src/queue/new-task.ts';
import { BoundedLines } from '../../src/runners/bounded-lines.ts';
import { classifyError } from '../../src/runners/classify.ts';
import { parseVersion } from '../../src/runners/exec.ts';
import { ExecStdout, execOutcome } from '../../src/runners/exec-envelope.ts';
import { describeEvent, gatewayOutcome, isInFlight, isTerminalWait } from '../../src/runners/gateway-reply.ts';

// Run as a worker by test/groups/faults/hostile-input.test.ts: a parser that is slow on purpose can only be ended from
// outside.

const MIB = 1_048_576;

/** What is repeated to a text of 1 MiB. */
const UNITS = [
  ...[
    'a.a.a.',
    'a',
    'A',
    ' ',
    '-',
    '_',
    '.',
    ',',
    ':',
    '/',
    '=',
    '@',
    '#',
    '"',
    "'",
    '`',
    '\\',
    '$',
    '(',
    '[',
    '{',
    '}',
    '<',
  ],
  ...[
    '\n',
    '\r\n',
    '\t\n ',
    ' \n',
    '\0',
    '\u001b',
    '\u001b[',
    '\u001b[0;',
    '\u001b]8;;',
    '\u009b',
    '\ufffd',
    '🙂',
    '\ud83d',
    '\u202e',
  ],
  ...[
    'Bearer ',
    'Bearer Bearer',
    'bearer  \t',
    'authorization: ',
    'authorization: bearer ',
    'token',
    'token ',
    'token=',
    'api_key="',
  ],
  ...[
    "password: '",
    'secret:secret=',
    'sk-',
    '-sk-a',
    'ghp_',
    'xoxb-',
    'AKIA',
    '-AIza',
    'eyJ',
    '-eyJ',
    '-eyJaaaaaaaaaaa',
    'eyJ.',
  ],
  ...[
    'eyJaaaaaaaaaaa.',
    '.eyJaaaaaaaaaa',
    '-----BEGIN ',
    '-----BEGIN A PRIVATE KEY-----',
    'http://',
    '://',
    'a://b:',
    '://x:y',
    'a:b@',
  ],
  ...[
    '{"{"{',
    '{"',
    '{"a":',
    '{"a":[',
    '{"ok":',
    '{"ok":true,',
    '{"ok":true}',
    '{"a":"',
    '[[{',
    '{"\\',
    '{"\\u00',
    '{\n',
    '{"a":1,\n',
  ],
  ...[
    '{{',
    '{{result:',
    '{{result:a',
    '{{result:a}}',
    '${',
    '${a',
    '${a:-',
    '${a:-$',
    '${a:-b}',
    '\uE0000',
    '\uE0000\uE002',
  ],
  ...[
    '1',
    '1.',
    '0.0.0-',
    '1.1.',
    '1.1.1-a.',
    'HTTP ',
    'HTTP 42',
    'retry after ',
    'try again in 1.',
    'thinking level ',
    'invalid.api',
  ],
  ...['1 1 S ', ' CLAWMESH_RUN=', 'sleep ', 'fail ', '1d', 'export A=', 'A="', "A='"],
];

/** Behind such a text: most patterns are slow only where they fail at last. */
const END = '\u0001!}';

const mask = secretMasker(['hunter2!hunter2!', 'aaaaaaaaaaaaaaaab']);

const NOW = Date.UTC(2026, 0, 1);

/** Everything that reads text from outside clawmesh. */
export const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  'masking of secrets': mask,
  'masking of a log line': (text) => maskedLine(mask, text, 4_000),
  'classification of errors': (text) => classifyError(text, NOW),
  'the envelope of an exec run': (text) => {
    const stdout = new ExecStdout();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 65_536) stdout.push(bytes.subarray(at, at + 65_536));
    stdout.end();
    return execOutcome({ stdout, exitCode: 1, signal: null, durationMs: 1 }, NOW);
  },
  'lines of stderr': (text) => {
    let lines = 0;
    const cut = new BoundedLines(16_384, (line) => {
      lines += withoutEscapes(line).length;
    });
    cut.push(Buffer.from(text));
    cut.end();
    return lines;
  },
  'stripping of colours': withoutEscapes,
  'replies of a gateway': (text) => [
    gatewayOutcome({ status: text, error: text, summary: text }, { runId: 'r', durationMs: 1, now: NOW }),
    gatewayOutcome(
      { status: 'ok', result: { payloads: [{ text }], meta: { agentMeta: { model: text } } } },
      { runId: 'r', durationMs: 1, now: NOW },
    ),
    isInFlight({ status: text }),
    isTerminalWait({ status: text }),
  ],
  'events of a gateway': (text) =>
    ['usage', 'assistant', 'tool', 'lifecycle', text].map((stream) =>
      describeEvent({ runId: text, stream, data: { delta: text, name: text, phase: text, error: text, model: text } }),
    ),
  'placeholders for results': (text) => [wantedResults(text), fillResults(text, new Map([['a', 'b']]))],
  'references to the environment': (text) => {
    const read = new EnvText(text);
    return [read.referencesIn(read.text), read.expand(read.text, {}), read.referencesIn(text)];
  },
  'files of secrets': (text) =>
    ['', 'A=', 'A="', "A='", 'A=""'].map((before) => {
      try {
        return envValues(utf8Text(Buffer.from(before + text)));
      } catch (error) {
        return messageOf(error);
      }
    }),
  'durations and sizes': (text) => [
    parseDuration(text),
    parseSize(text),
    parseDuration(`1${text}`),
    parseSize(`1${text}`),
  ],
  versions: parseVersion,
  'a new task': (text) => [
    parseNewTask({ message: text, timeout: text, key: text, tags: { [text]: text }, model: text }, { attempts: 1 }),
    parseNewTask({ message: 'x', [text]: 1 }, { attempts: 1 }),
  ],
  'reasons why tasks are held': (text) => [
    parseHoldReason(text),
    ...['', 'node:', 'require:', 'require:a=', 'format:', 'allow:', 'allow:a|', 'node:a&'].map((before) =>
      parseTarget(before + text),
    ),
    holdReasonOf({ heldBy: text, agent: text, session: text }),
  ],
  'names that are close': (text) => nearest(text, ['message', 'timeout']),
  'messages of errors': (text) => messageOf(new Error(text)),
  'text for terminals': (text) => [printable(text), oneLine(text, 80)],
  'lists of processes': parsePs,
  'settings of sleep': parseSleep,
};

/** Each text that a parser is tried on, under a name. */
function* texts(): Generator<[string, string]> {
  for (const unit of UNITS) yield [JSON.stringify(unit), unit.repeat(Math.ceil(MIB / unit.length)).slice(0, MIB) + END];
}

if (parentPort) {
  const parse = PARSERS[(workerData as { parser: string }).parser];
  for (const [name, text] of texts()) {
    parentPort.postMessage(name);
    parse?.(text);
  }
  parentPort.postMessage('done');
}
