import { describe, expect, it } from 'vitest';
import { storedTask } from '../../src/queue/bullmq/task-producer.ts';
import { parseNewTask } from '../../src/queue/new-task.ts';
import { changedTask, inputOf } from '../../src/queue/task-input.ts';

const FULL = {
  message: 'build',
  agent: 'coder',
  session: 'chat',
  model: 'p/m',
  thinking: 'high',
  node: 'mac-1',
  nodeFallback: true,
  pool: 'xcode',
  priority: 3,
  attempts: 5,
  timeout: '90m',
  idleTimeout: '5m',
  backoff: '1500ms',
  tags: { repo: 'x' },
};

/** The input of a task that was queued with this input. */
const again = (input: object) => {
  const task = parseNewTask(input, { attempts: 3 });
  if ('problems' in task) throw new Error(task.problems.join('; '));
  return inputOf(storedTask(task), task);
};

describe('the input of a queued task', () => {
  it('is that of its user, in the same words', () => {
    expect(again(FULL)).toEqual(FULL);
    expect(again({ message: 'x', require: { xcode: '26' } })).toEqual({
      message: 'x',
      pool: 'default',
      attempts: 3,
      require: { xcode: '26' },
    });
  });

  it('leaves out the key, the delay and the tasks before it, which belong to the first task alone', () => {
    const first = { message: 'x', key: 'k' };
    expect(again({ ...first, delay: '1h' })).toEqual({ message: 'x', pool: 'default', attempts: 3 });
    expect(again({ ...first, after: ['01kbv2m6s3v5w8q0r4t7y9z1x2'] })).not.toHaveProperty('after');
  });

  it('takes a change: fields are replaced, tags added, and a node replaces labels', () => {
    const changed = changedTask(FULL, { model: 'q/n', tags: { by: 'ada' }, priority: 0 });
    expect(changed).toMatchObject({ model: 'q/n', agent: 'coder', priority: 0, tags: { repo: 'x', by: 'ada' } });
    const labels = { message: 'x', require: { xcode: '26' } };
    const moved = changedTask(labels, { node: 'mac-2' });
    expect(moved).toMatchObject({ node: 'mac-2' });
    expect(moved).not.toHaveProperty('require');
  });

  it('reports what is wrong with a change', () => {
    expect(changedTask(FULL, { timeout: 'soon' })).toMatchObject({ problems: [/^timeout: expected a duration/] });
  });
});
