import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { TaskSpec } from '../../src/domain/task.ts';
import { LoginWatch } from '../../src/node/login-watch.ts';
import type { NodeRegistry } from '../../src/registry/node-registry.ts';
import { aNodeRecord } from '../support/node-record.ts';

/** Beside mac-1, whose login the provider refuses, there is mac-2. */
const OTHER: Node = {
  id: 'mac-2',
  ...aNodeRecord({ pools: { default: { concurrency: 1, running: 0 } }, allow: { agents: ['main'] } }),
  heartbeatAgeMs: 0,
  orphaned: [],
};

describe('a task whose login the provider has refused', () => {
  let watch: LoginWatch;

  beforeEach(() => {
    const registry = { list: async () => [OTHER] } as unknown as NodeRegistry;
    watch = new LoginWatch({ registry, nodeId: 'mac-1', simulated: false, onChange: () => {} });
  });
  afterEach(() => watch.backoff.stop());

  it.each<[string, Partial<TaskSpec>, string, boolean]>([
    ['any node may run it', {}, 'default', true],
    ['the other node does not serve its pool', {}, 'xcode', false],
    ['only this node may run it', { node: 'mac-1' }, 'default', false],
    ['it would rather run on this node', { node: 'mac-1', nodeFallback: true }, 'default', true],
    ['the other node lacks a label', { require: { gpu: 'yes' } }, 'default', false],
    ['the other node is not allowed its agent', { agent: 'ops' }, 'default', false],
  ])('goes to another node only if that may run it: %s', async (_, fields, pool, goes) => {
    const spec = { message: 'hello', tags: {}, ...fields };
    expect(await watch.refused({ pool, spec }, 'HTTP 401')).toBe(goes);
  });
});
