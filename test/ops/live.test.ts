import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { Node } from '../../src/domain/node.ts';
import { LiveMesh, type LiveMessage, type LiveSource } from '../../src/ops/dashboard/live.ts';
import { ServerInfo } from '../../src/redis/server-info.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** A mesh without tasks that counts how often it is looked at. */
class QuietMesh implements LiveSource {
  readonly looks: number[] = [];
  readonly config = configSchema.parse({ mesh: 'm' });
  away = false;
  paused = false;
  nodes = (): Node[] => [];
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  readonly server = {
    time: async () => {
      if (this.away) throw new Error('Redis is away');
      return this.#clock.now();
    },
    info: async () => ServerInfo.from('redis_version:8.0.0'),
  };
  readonly node = { list: async () => this.nodes() };
  readonly pool = {
    names: async () => {
      this.looks.push(this.#clock.monotonic());
      return ['default'];
    },
    counts: async () => {
      const none = { waiting: 0, active: 0, delayed: 0, failed: 0, acknowledged: 0, completed: 0, cancelled: 0 };
      return new Map([['default', { ...none, paused: this.paused, pause: null }]]);
    },
    held: async () => [],
    oldestWaiting: async () => undefined,
    strangers: async () => [],
  };
  readonly task = { longestRunning: async () => [] };
  readonly runs = {
    active: async () => [],
    interrupted: async () => [],
    ended: async () => ({ tasks: [], reach: null }),
    of: async () => [],
  };
  readonly events = { newest: async () => [], after: async () => [] };
  circuits = async () => [];
  usage = async () => [];
  handovers = async () => [];
  scheduleFailures = async () => [];
  outboxes = async () => [];
}

function aNode(id: string, changed: Partial<Node> = {}): Node {
  const { leaseMs: _, ...record } = aNodeRecord();
  return { ...record, id, state: 'up', pools: {}, running: [], orphaned: [], heartbeatAgeMs: 0, ...changed };
}

describe('the live view', () => {
  const open = () => {
    const clock = new VirtualClock();
    const mesh = new QuietMesh(clock);
    const live = new LiveMesh(mesh, clock, (error) => String(error));
    const told: LiveMessage[] = [];
    const watch = () => live.watch((message) => told.push(message));
    const kinds = () => told.splice(0).map(({ kind }) => kind);
    return { clock, mesh, live, watch, kinds, told };
  };

  it('reads the mesh every 400 ms while a page watches, once for all pages, and else not at all', async () => {
    const { clock, mesh, watch } = open();
    await clock.advance(10_000);
    expect(mesh.looks).toEqual([]);
    const [unwatch, unwatchOther] = [watch(), watch()];
    await clock.advance(1_000);
    expect(mesh.looks).toEqual([10_000, 10_400, 10_800]);
    unwatch();
    unwatchOther();
    expect(clock.pending).toBe(0);
  });

  it('sends everything to a new page, and only changes to all pages', async () => {
    const { clock, mesh, watch, kinds } = open();
    watch();
    await clock.advance(0);
    expect(kinds()).toEqual(['mesh', 'runs']);
    await clock.advance(4_000);
    expect(kinds()).toEqual([]);
    mesh.paused = true;
    await clock.advance(400);
    expect(kinds()).toEqual(['mesh']);
    watch();
    expect(kinds()).toEqual(['mesh', 'runs']);
  });

  it('sends only the changed fields of changed nodes, and no heartbeat that is the same as before', async () => {
    const { clock, mesh, watch, told } = open();
    const beatAt = clock.now();
    let uptimeMs = 0;
    // Each read computes the age from another time.
    const beating = () => ({ heartbeatAgeMs: clock.now() - beatAt + (++uptimeMs % 50), uptimeMs });
    mesh.nodes = () => ['mac-1', 'mac-2'].map((id) => aNode(id, beating()));
    watch();
    await clock.advance(0);
    told.splice(0);
    await clock.advance(10_000);
    expect(told).toEqual([]);
    mesh.nodes = () => [aNode('mac-1', { ...beating(), load: { cpu: 0.91, memory: 0.5, eventLoopDelayMs: 9 } })];
    await clock.advance(400);
    expect(told).toMatchObject([{ kind: 'mesh', all: false, gone: ['mac-2'], dead: null }]);
    const [message] = told as (LiveMessage & { kind: 'mesh' })[];
    expect(message?.nodes).toEqual([{ id: 'mac-1', load: { cpu: 0.91, memory: 0.5 } }]);
    expect(Object.keys(message?.snapshot ?? {}).sort()).toEqual(['nodes', 'redis']);
  });

  it('reports an outage once, and sends everything again after it', async () => {
    const { clock, mesh, watch, kinds } = open();
    watch();
    await clock.advance(400);
    kinds();
    mesh.away = true;
    await clock.advance(4_000);
    expect(kinds()).toEqual(['trouble']);
    mesh.away = false;
    await clock.advance(400);
    expect(kinds()).toEqual(['mesh', 'runs']);
  });

  it('leaves no timer when it is closed', async () => {
    const { clock, live, watch } = open();
    watch();
    await clock.advance(1_000);
    live.close();
    expect([live.watchers, clock.pending]).toEqual([0, 0]);
  });
});
