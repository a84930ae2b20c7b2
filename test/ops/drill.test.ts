import { describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { HistoryEntry, NewTask, Task } from '../../src/domain/task.ts';
import { type DrilledMesh, type DrillKind, drillFailover, drillFailures } from '../../src/ops/drill.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** Redis' clock is an hour ahead of this machine's. */
const AHEAD_MS = 3_600_000;

interface Probe {
  readonly id: string;
  readonly message: string;
  readonly history: HistoryEntry[];
  endsAt: number;
}

/**
 * Two nodes of one slot each, on virtual time. The node that fails loses its probe after `detectionMs`; `restartMs`
 * later it runs again.
 */
class FakeMesh implements DrilledMesh {
  readonly clock = new VirtualClock();
  readonly told: string[] = [];
  readonly #probes: Probe[] = [];
  readonly #how: { detectionMs: number; restartMs: number; claims?: boolean };

  constructor(how: { detectionMs: number; restartMs: number; claims?: boolean }) {
    this.#how = how;
  }

  readonly server = { time: async () => this.#redisTime() };

  readonly node = {
    list: async () => ['mac-1', 'mac-2'].map(aNode),
    drain: async (id: string) => this.#fail(id, 'drain'),
    failForDrill: async (id: string, kind: 'crash' | 'freeze') => void this.#fail(id, kind),
    resume: async (id: string) => {
      this.told.push(`resume ${id}`);
      return aNode(id);
    },
  };

  readonly task = {
    enqueueParsed: async (tasks: readonly NewTask[]) =>
      tasks.map(({ message, pool }, index) => {
        const probe: Probe = {
          id: `probe-${this.#probes.length}`,
          message,
          history: [],
          endsAt: Number.POSITIVE_INFINITY,
        };
        this.#probes.push(probe);
        if (this.#how.claims !== false) this.#claim(probe, `mac-${index + 1}`);
        return { id: probe.id, pool, state: 'waiting' as const, duplicate: false };
      }),
    getAll: async (ids: readonly string[]) =>
      this.#probes.filter(({ id }) => ids.includes(id)).map((probe) => this.#view(probe)),
  };

  readonly throughOutages = <T>(ask: () => Promise<T>) => ask();

  #redisTime(): number {
    return this.clock.now() + AHEAD_MS;
  }

  #claim(probe: Probe, node: string): void {
    this.#note(probe, 'claimed', node);
    probe.endsAt = this.clock.monotonic() + Number(/\d+/.exec(probe.message)?.[0]);
  }

  #fail(id: string, kind: DrillKind): Node {
    this.told.push(`${kind} ${id}`);
    const { detectionMs, restartMs } = this.#how;
    for (const probe of this.#probes.filter(({ history }) => history.at(-1)?.node === id)) {
      probe.endsAt = Number.POSITIVE_INFINITY;
      this.clock.timer(detectionMs, () => this.#note(probe, 'handover', id));
      this.clock.timer(detectionMs + restartMs, () => this.#claim(probe, 'mac-2'));
    }
    return aNode(id);
  }

  #note({ history }: Probe, event: HistoryEntry['event'], node: string): void {
    history.push({ at: new Date(this.#redisTime()).toISOString(), event, node, attempt: 1, reason: null });
  }

  #view({ id, message, history, endsAt }: Probe): Task {
    const state = history.length === 0 ? 'waiting' : this.clock.monotonic() >= endsAt ? 'completed' : 'active';
    return { id, message, history, state, node: history.at(-1)?.node ?? null } as Partial<Task> as Task;
  }
}

function aNode(id: string): Node {
  const pools = { default: { concurrency: 1, running: 0 } };
  return { ...aNodeRecord(), id, pools, heartbeatAgeMs: 0, orphaned: [] };
}

const drill = (mesh: FakeMesh, kind: DrillKind, nodeId = 'mac-1') => {
  const options = { clock: mesh.clock, kind, nodeId, crashGraceMs: 1_000, leaseMs: 15_000, onStep: () => {} };
  const report = drillFailover(mesh, options);
  report.catch(() => {}); // awaited by the test
  return report;
};

describe('a drill', () => {
  it('measures detection and restart in Redis time, whatever the clock of this machine says', async () => {
    const mesh = new FakeMesh({ detectionMs: 1_200, restartMs: 300 });
    const report = drill(mesh, 'crash');
    await mesh.clock.advance(60_000);
    expect(await report).toEqual({
      node: 'mac-1',
      kind: 'crash',
      probes: 1,
      detectionMs: 1_200,
      restartMs: 300,
      totalMs: 1_500,
      promisedMs: 3_000,
      lost: 0,
      lostAs: {},
      unexplained: 0,
      ok: true,
    });
    expect(mesh.told).toEqual(['crash mac-1']);
  });

  it('fails if a probe restarts one millisecond later than promised', async () => {
    for (const [restartMs, ok] of [
      [1_800, true],
      [1_801, false],
    ] as const) {
      const mesh = new FakeMesh({ detectionMs: 1_200, restartMs });
      const report = drill(mesh, 'crash');
      await mesh.clock.advance(60_000);
      const ended = await report;
      expect(ended).toMatchObject({ totalMs: 1_200 + restartMs, promisedMs: 3_000, ok });
      if (!ok) expect(drillFailures(ended)).toEqual(['a probe ran again 1ms later than promised']);
    }
  });

  it('counts a probe as lost that has not ended 30 s after the promised time, and then ends the drill', async () => {
    const mesh = new FakeMesh({ detectionMs: Number.POSITIVE_INFINITY, restartMs: 0 });
    const report = drill(mesh, 'freeze');
    await mesh.clock.advance(46_000);
    expect(await Promise.race([report, 'under way'])).toBe('under way');
    await mesh.clock.advance(100);
    const ended = await report;
    expect(ended).toMatchObject({ promisedMs: 16_000, lost: 1, lostAs: { active: 1 }, detectionMs: null, ok: false });
    expect(drillFailures(ended)).toEqual(['1 probe did not complete (1 active)']);
  });

  it('resumes the node that it has drained', async () => {
    const mesh = new FakeMesh({ detectionMs: 100, restartMs: 100 });
    const report = drill(mesh, 'drain');
    await mesh.clock.advance(60_000);
    expect(await report).toMatchObject({ promisedMs: null, ok: true });
    expect(mesh.told).toEqual(['drain mac-1', 'resume mac-1']);
  });

  it('gives up after six rounds if no node claims a probe, and takes no node down', async () => {
    const mesh = new FakeMesh({ detectionMs: 0, restartMs: 0, claims: false });
    const report = drill(mesh, 'crash');
    await mesh.clock.advance(6 * 31_000);
    await expect(report).rejects.toMatchObject({ code: 'failed', message: 'no probe started on mac-1' });
    expect(mesh.told).toEqual([]);
  });

  it('refuses a node that is not up', async () => {
    const mesh = new FakeMesh({ detectionMs: 0, restartMs: 0 });
    await expect(drill(mesh, 'crash', 'mac-9')).rejects.toMatchObject({ code: 'not-found' });
  });
});
