import { afterEach, describe, expect, it } from 'vitest';
import { Output } from '../../src/cli/output.ts';
import { asksForJson, formatOf } from '../../src/cli/output-options.ts';
import { captureOutput } from '../support/in-process-output.ts';

const real = { stderr: process.stderr.isTTY, stdout: process.stdout.isTTY, columns: process.stdout.columns };
afterEach(() => {
  process.stderr.isTTY = real.stderr;
  process.stdout.isTTY = real.stdout;
  process.stdout.columns = real.columns;
});

describe('progress', () => {
  it.each([
    ['appears on a terminal', { format: 'text', quiet: false }, true, true],
    ['does not appear with --quiet', { format: 'text', quiet: true }, true, false],
    ['does not appear with --json', { format: 'json', quiet: false }, true, false],
    ['does not appear in a pipe', { format: 'text', quiet: false }, false, false],
  ] as const)('%s', (_, options, terminal, shown) => {
    process.stderr.isTTY = terminal;
    expect(new Output({ ...options, color: false }).showsProgress).toBe(shown);
  });
});

describe('the format of a result', () => {
  const output = captureOutput();
  const pools = [
    { pool: 'a', id: '1' },
    { pool: 'b', id: '2' },
  ];
  const tasks = {
    tasks: [
      { id: '1', outcome: 'cancelled' },
      { id: '2', outcome: 'cancelled' },
    ],
    errors: [],
  };
  const out = (format: 'json' | 'jsonl' | 'id' | 'text' | 'wide', fields?: string[][]) =>
    new Output({ format, fields, quiet: false, color: false });

  it.each([
    ['json', undefined, `${JSON.stringify(tasks)}\n`],
    ['json', [['id']], '{"tasks":[{"id":"1"},{"id":"2"}],"errors":[]}\n'],
    ['jsonl', undefined, '{"id":"1","outcome":"cancelled"}\n{"id":"2","outcome":"cancelled"}\n'],
    ['jsonl', [['outcome']], '{"outcome":"cancelled"}\n{"outcome":"cancelled"}\n'],
    ['id', undefined, '1\n2\n'],
  ] as const)('%s with the fields %j prints a list', async (format, fields, expected) => {
    out(format, fields as string[][] | undefined).document<'task cancel'>(tasks, 'tasks');
    expect(output.stdout).toBe(expected);
    output.clear();
    const entries = (async function* () {
      yield* tasks.tasks;
    })();
    await out(format, fields as string[][] | undefined).listDocument<'task cancel'>(entries, {
      of: 'tasks',
      rest: () => ({ errors: [] }),
    });
    expect(output.stdout.replace(',\n', ',')).toBe(expected);
  });

  it('prints nothing if a selected field does not exist', async () => {
    const entries = (async function* () {
      yield* tasks.tasks;
    })();
    const printed = out('json', [['idd']]).listDocument<'task cancel'>(entries, { of: 'tasks' });
    await expect(printed).rejects.toMatchObject({ code: 'usage', remedy: 'did you mean id?' });
    expect(output.stdout).toBe('');
  });

  it('prints an empty list as a whole document', async () => {
    await out('json').listDocument<'task cancel'>((async function* () {})(), { of: 'tasks' });
    expect(JSON.parse(output.stdout)).toEqual({ tasks: [] });
  });

  it('cuts a table to the terminal, but neither a wide one nor one in a pipe', () => {
    process.stdout.isTTY = true;
    process.stdout.columns = 20;
    const rows = pools.map(({ id }) => [id, 'a message that is longer than the line']);
    const longest = () => Math.max(...output.stdout.split('\n').map((line) => line.length));
    out('text').table(['ID', 'MESSAGE'], rows);
    out('text').row(['1', 'a message that is longer than the line']);
    expect(longest()).toBe(20);
    out('wide').table(['ID', 'MESSAGE'], rows);
    expect(longest()).toBeGreaterThan(40);
    output.clear();
    process.stdout.isTTY = false;
    out('text').table(['ID', 'MESSAGE'], rows);
    expect(longest()).toBeGreaterThan(40);
  });
});

describe('the options of the format', () => {
  it.each([
    [{}, 'text'],
    [{ json: true }, 'json'],
    [{ output: 'wide' }, 'wide'],
    [{ json: true, output: 'json' }, 'json'],
    [{ fields: [['id']] }, 'json'],
    [{ fields: [['id']], output: 'jsonl' }, 'jsonl'],
  ] as const)('%j mean %s', (options, format) => {
    expect(formatOf(options)).toBe(format);
  });

  it.each([
    [{ json: true, output: 'jsonl' }, "--json and --output jsonl can't be combined"],
    [{ fields: [['id']], output: 'id' }, "--fields and --output id can't be combined"],
    [{ fields: [['id']], output: 'wide' }, "--fields and --output wide can't be combined"],
  ] as const)('%j are refused', (options, message) => {
    expect(() => formatOf(options)).toThrow(expect.objectContaining({ code: 'usage', message }));
  });

  it.each([
    ['task list --json', true],
    ['task list -o json', true],
    ['task list -ojsonl', true],
    ['task list --output=json', true],
    ['task list --output jsonl --nonsense', true],
    ['task list --fields id', true],
    ['task list -o id', false],
    ['task list -o', false],
    ['enqueue -- --json', false],
  ])('%s asks for errors as JSON: %s', (line, expected) => {
    expect(asksForJson(line.split(' '))).toBe(expected);
  });
});
