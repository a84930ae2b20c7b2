import { expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { TaskSpec } from '../../src/domain/task.ts';
import { AuthBackoff } from '../../src/node/auth-backoff.ts';
import { capabilitiesOf, testContext } from '../support/node-context.ts';
import { aNodeRecord } from '../support/node-record.ts';

/** Beside mac-1, whose login the provider refuses, there is mac-2. */
const OTHER: Node = {
  id: 'mac-2',
  ...aNodeRecord({ pools: { default: { concurrency: 1, running: 0 } }, allow: { agents: ['main'] } }),
  heartbeatAgeMs: 0,
  orphaned: [],
};

/** The backoff of mac-1 beside these nodes. */
const beside = (others: Node[], hasProvider = true) =>
  new AuthBackoff(
    testContext({
      registry: { list: async () => others },
      runner: { capabilities: capabilitiesOf({ hasProvider }) },
    }),
  );
const task = (pool = 'default', fields: Partial<TaskSpec> = {}) => ({
  pool,
  spec: { message: 'hello', tags: {}, ...fields },
});

it.each<[string, Partial<TaskSpec>, string, boolean]>([
  ['any node may run it', {}, 'default', true],
  ['the other node does not serve its pool', {}, 'xcode', false],
  ['only this node may run it', { node: 'mac-1' }, 'default', false],
  ['it prefers this node', { node: 'mac-1', nodeFallback: true }, 'default', true],
  ['the other node lacks a label', { require: { gpu: 'yes' } }, 'default', false],
  ['the other node is not allowed its agent', { agent: 'ops' }, 'default', false],
])('sends a task to another node only if that node may run it: %s', async (_, fields, pool, goes) => {
  expect(await beside([OTHER]).refused(task(pool, fields), 'HTTP 401')).toBe(goes);
});

it('closes the gate for a refused login even if no other node could run the tasks', async () => {
  const alone = beside([]);
  expect(await alone.refused(task(), 'HTTP 401')).toBe(false);
  expect(alone.backoff.reason).toMatch(/HTTP 401.*tries one task every 1m/);
});

it('closes no gate for a simulated refusal of a login on a lone node', async () => {
  const simulated = beside([], false);
  expect(await simulated.refused(task(), 'x')).toBe(false);
  expect(simulated.backoff.reason).toBeUndefined();
});
