import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkDefaults, parseNewTask, type TaskDefaults, toNewTask } from '../../src/queue/new-task.ts';

const parse = (input: unknown, defaults: TaskDefaults = { attempts: 3 }) => parseNewTask(input, defaults);
const problemsOf = (fields: object) => parse({ message: 'x', ...fields });
const ID = '01k00000000000000000000000';

it('fills in the defaults of a task, and converts durations to ms', () => {
  expect(parse({ message: 'x' }, { attempts: 7 })).toMatchObject({
    message: 'x',
    pool: 'default',
    priority: 0,
    delayMs: 0,
    attempts: 7,
    tags: {},
  });
  const durations = { delay: '5s', timeout: '1m', idleTimeout: '2s', backoff: '0s', attempts: 1 };
  expect(parse({ message: 'x', ...durations })).toMatchObject({
    delayMs: 5_000,
    timeoutMs: 60_000,
    idleTimeoutMs: 2_000,
    backoffMs: 0,
    attempts: 1,
  });
});

it.each([
  [{ message: ' \n' }, 'message: must not be empty'],
  [{ message: 7 }, 'message: expected the prompt for the agent'],
  [{ pool: 'No Pool' }, /^pool: expected /],
  [{ node: '-' }, /^node: expected /],
  [{ priority: 1.5 }, 'priority: expected a whole number from 0 to 2097151'],
  [{ priority: 2_097_152 }, 'priority: expected a whole number from 0 to 2097151'],
  [{ attempts: 0 }, 'attempts: expected a whole number from 1 to 100'],
  [{ attempts: 101 }, 'attempts: expected a whole number from 1 to 100'],
  [{ timeout: '999ms' }, 'timeout: expected at least 1s'],
  [{ delay: 'soon' }, /^delay: expected /],
  [{ after: ['x'] }, 'after.0: expected a task id'],
  [{ after: Array(101).fill(ID) }, 'after: expected at most 100 tasks'],
  [{ key: 'two words' }, 'key: expected an idempotency key: up to 256 characters without spaces'],
  [{ require: { 'a b': 'x' } }, 'require.a b: expected a label'],
  [{ tags: { 'a b': 'x' } }, 'tags.a b: expected a tag name'],
  [{ agent: 'a b' }, /^agent: expected an agent id: /],
  [{ mesage: 'x' }, 'mesage: unknown field; did you mean "message"?'],
  [{ zzzzzzzzz: 'x' }, 'zzzzzzzzz: unknown field'],
  [{ message: 'see {{result:x}}' }, 'message: {{result:x}} does not contain a task id'],
  [{ nodeFallback: true }, 'nodeFallback: requires node'],
  [{ node: 'mac-1', require: { a: 'b' } }, 'node: cannot be combined with require'],
  [{ delay: '1s', node: 'mac-1' }, 'delay: cannot be combined with node or require'],
  [{ delay: '1s', message: `{{result:${ID}}}` }, 'delay: cannot be combined with after'],
])('refuses %j', (fields, problem) => {
  const text = problem instanceof RegExp ? expect.stringMatching(problem) : problem;
  expect(problemsOf(fields)).toEqual({ problems: [text] });
});

it('names every problem of a task at once', () => {
  expect(problemsOf({ attempts: 0, priority: -1, other: 1 })).toHaveProperty('problems.length', 3);
});

it('takes a message of exactly 1 MiB, counted in bytes and not in characters', () => {
  expect(parse({ message: `${'ü'.repeat(524_287)}xx` })).not.toHaveProperty('problems');
  expect(parse({ message: `${'ü'.repeat(524_287)}xxx` })).toEqual({
    problems: ['message: is longer than 1 MiB; put the text into a file that the agent can read'],
  });
});

it('runs a task after the tasks that it names and those that its message quotes, each once', () => {
  const quoted = 'repeat:nightly:1700000000000';
  const message = `{{result:${quoted}}} {{result:${ID}}}`;
  expect(parse({ message, after: [ID] })).toMatchObject({
    after: [
      { id: ID, pool: '' },
      { id: quoted, pool: '' },
    ],
  });
  expect(parse({ message: 'x', after: [] })).toMatchObject({ after: undefined });
});

it('adds tags to the common ones, and uses any other common field only if the task lacks it', () => {
  const fields = { tags: { a: '1', b: '1' }, pool: 'p', agent: 'common' };
  expect(parse({ message: 'x', tags: { b: '2' }, agent: 'own' }, { attempts: 1, fields })).toMatchObject({
    tags: { a: '1', b: '2' },
    pool: 'p',
    agent: 'own',
  });
});

it.each([
  [{}, { node: 'mac-1', nodeFallback: true }, ['mac-1', true, undefined]],
  [{ node: 'mac-2' }, { node: 'mac-1', nodeFallback: true }, ['mac-2', true, undefined]],
  [{ node: 'mac-2' }, { require: { a: 'b' } }, ['mac-2', undefined, undefined]],
  [{ require: { a: 'b' } }, { node: 'mac-1', nodeFallback: true }, [undefined, undefined, { a: 'b' }]],
])('lets a task’s own target replace the common one: %j of %j', (own, fields, expected) => {
  const task = parse({ message: 'x', ...own }, { attempts: 1, fields });
  expect('problems' in task ? task.problems : [task.node, task.nodeFallback, task.require]).toEqual(expected);
});

it('checks common fields before there is a task', () => {
  expect(checkDefaults({ agent: 'a', nodeFallback: true })).toEqual([]);
  expect(checkDefaults({ agent: 'a b', priority: -1 })).toHaveLength(2);
});

it('makes the same task of an input that was checked before', () => {
  const input = { message: 'x', delay: '1s', tags: { b: '2' } };
  const defaults = { attempts: 4, fields: { tags: { a: '1' }, pool: 'p' } };
  expect(toNewTask(input, defaults)).toEqual(parse(input, defaults));
});

it('never throws, whatever the input is', () => {
  fc.assert(fc.property(fc.anything(), (input) => typeof parse(input) === 'object'));
  fc.assert(
    fc.property(fc.anything(), (input) => typeof parse(input, { attempts: 1, fields: { tags: {} } }) === 'object'),
  );
});
