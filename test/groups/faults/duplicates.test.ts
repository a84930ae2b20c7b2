import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

let mesh: ProcessMesh;
beforeEach(async () => {
  mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
});
afterEach(() => mesh.stop());

const again = async (key: string, ...more: string[]) => {
  const { stdout, stderr } = await mesh.cli('enqueue', 'again', '--key', key, ...more);
  return { stdout: stdout.trim(), stderr };
};

it('reports the state of the existing task of a key, whatever the new task would have been', async () => {
  const ids = new Map<string, string>();
  const queue = async (key: string, message: string, ...more: string[]) =>
    ids.set(key, await mesh.enqueue(message, '--key', key, ...more));
  await queue('delayed', 'later', '--delay', '1h');
  await queue('cancelled', 'x', '--delay', '1h');
  await mesh.cli('task', 'cancel', ids.get('cancelled') ?? '');
  await queue('waiting', 'first in line');
  await queue('gone', 'x', '--delay', '1h');
  const expectStates = async (keys: readonly string[]) => {
    for (const key of keys) {
      const { stdout, stderr } = await again(key);
      expect(stdout).toBe(ids.get(key));
      expect(stderr).toContain(`nothing was queued: the task with this key is ${key}`);
      const { tasks } = JSON.parse((await again(key, '--json')).stdout);
      expect(tasks).toEqual([{ id: ids.get(key), pool: 'default', state: key, duplicate: true }]);
    }
  };
  await expectStates(['delayed', 'cancelled', 'waiting']);
  await queue('failed', 'fail invalid');
  await queue('completed', 'hello');
  await mesh.startNode('mac-1');
  for (const key of ['failed', 'completed']) await mesh.cli('task', 'wait', ids.get(key) ?? '');
  await queue('active', 'sleep 10m');
  await mesh.taskState(ids.get('active') ?? '', 'active');
  await expectStates(['failed', 'completed', 'active']);
});

it('queues a file once although two commands queue it at once, and at least one reports the shared import', async () => {
  const input = Array.from({ length: 20_000 }, (_, n) => `{"message":"task ${n}"}\n`).join('');
  const enqueue = () => runCli(['--config', mesh.config, 'enqueue', '--from', '-', '--json'], { input });
  const both = await Promise.all([enqueue(), enqueue()]);
  const waiting = (await mesh.snapshot()).pools.default?.waiting;
  const answers = both.map(({ stdout }) => JSON.parse(stdout) as { tasks: { id: string }[]; shared?: boolean });
  const met = answers.some(({ shared }) => shared);
  // On a slow machine one may be through before the other begins: then these are two imports.
  expect(waiting).toBe(met ? 20_000 : 40_000);
  for (const [index, { shared = false }] of answers.entries()) {
    expect(both[index]?.stderr.includes('another import of this file ran at the same time')).toBe(shared);
  }
});
