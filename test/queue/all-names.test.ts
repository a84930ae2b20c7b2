import { expect, it } from 'vitest';
import { Asking } from '../../src/queue/asking.ts';
import type { Circuits } from '../../src/queue/circuits.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { readLua } from '../../src/redis/scripts.ts';
import { meshPerTest } from '../support/pool.ts';

const current = meshPerTest('names');

it('the names that Lua makes are those of MeshKeys', async () => {
  const keys = new MeshKeys({ prefix: 'p', mesh: 'm' });
  const asking = new Asking({
    pool: 'a-pool',
    owner: { nodeId: 'n', incarnation: 1 },
    labels: { x: '1' },
    keys,
    circuits: {} as Circuits,
    strategy: () => 'pull',
  });
  const lua = `${readLua('includes/all-names')}\nreturn cjson.encode(allNames(ARGV[1]))`;
  const names = JSON.parse(String(await current().redis.eval(lua, 0, asking.names)));
  expect(names).toEqual({
    base: keys.bullPrefix,
    pool: 'a-pool',
    labels: { x: '1' },
    holdScore: expect.stringMatching(/^\d{16}$/),
    free: keys.freeSlots('a-pool'),
    turns: keys.turns('a-pool'),
    loads: keys.loads,
    calls: keys.callPrefix('a-pool'),
    leases: keys.leases,
    nodes: keys.nodes,
    control: keys.control,
    held: keys.held,
    heldTasks: keys.heldTasksPrefix,
    sessions: keys.sessionPrefix,
    tasks: `${keys.bullPrefix}:`,
    presence: keys.presenceChannels,
    events: keys.events,
  });
});
