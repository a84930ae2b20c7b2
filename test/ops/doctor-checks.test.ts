import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configDigest } from '../../src/config/digest.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { Node } from '../../src/domain/node.ts';
import { checkClock, checkDisk } from '../../src/ops/doctor/machine-checks.ts';
import { checkMesh, type MeshFacts } from '../../src/ops/doctor/mesh-checks.ts';
import { emptyFolder } from '../support/folders.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const config = configSchema.parse({ mesh: 'm', gates: { maxClockSkew: '1s' } });

describe('the check of this machine’s clock', () => {
  /** `aheadMs`: this machine's clock minus Redis'. */
  const check = async (aheadMs: number, roundTripMs = 0) => {
    const clock = new VirtualClock();
    const time = async () => {
      await clock.sleep(roundTripMs / 2);
      const answer = clock.now() - aheadMs;
      await clock.sleep(roundTripMs / 2);
      return answer;
    };
    const checked = checkClock(config, { time }, clock);
    await clock.advance(roundTripMs);
    return checked;
  };

  it('passes up to the configured skew, in either direction, and not beyond', async () => {
    for (const skew of [0, 1_000, -1_000]) expect(await check(skew)).toMatchObject({ state: 'ok' });
    expect(await check(1_001)).toMatchObject({
      state: expect.not.stringMatching('ok'),
      evidence: expect.stringContaining('ahead'),
    });
    expect(await check(-1_001)).toMatchObject({
      state: expect.not.stringMatching('ok'),
      evidence: expect.stringContaining('behind'),
    });
  });

  it('does not take a slow reply for skew', async () => {
    expect(await check(0, 30_000)).toMatchObject({
      state: 'ok',
      evidence: 'the clock of this machine is 0ms ahead of Redis',
    });
  });
});

describe('the check of the disk', () => {
  it('is about the disk of the state folder, even if that does not exist yet', async () => {
    const home = emptyFolder();
    expect(await checkDisk(config, { CLAWMESH_HOME: join(home, 'not', 'yet') })).toMatchObject({
      state: 'ok',
      evidence: expect.stringMatching(/^\d+\.\d GB of disk space is free$/),
    });
    // A file system without any space.
    const full = process.platform === 'darwin' ? '/dev' : '/proc';
    expect(await checkDisk(config, { CLAWMESH_HOME: full })).toEqual({
      check: 'free-disk',
      state: 'failed',
      evidence: '0.0 GB of disk space is free, 5GB is required',
      fix: `free some space on the disk of ${full}/m, or lower gates.minFreeDisk`,
    });
  });
});

describe('the checks of the mesh', () => {
  const node = (id: string, changed: Partial<Node> = {}): Node => ({
    ...aNodeRecord({ configDigest: configDigest(config), pools: { default: { concurrency: 1, running: 0 } } }),
    id,
    heartbeatAgeMs: 0,
    orphaned: [],
    ...changed,
  });
  /** Checks a mesh of two idle nodes; the facts may depend on the time. */
  const check = (changed: (ms: () => number) => Partial<MeshFacts>) => {
    const clock = new VirtualClock();
    const checked = checkMesh({
      config,
      clock,
      nodes: async () => [node('mac-1'), node('mac-2')],
      findings: async () => [],
      orphanedClaims: async () => [],
      waiting: async () => new Map(),
      eventCount: async () => 0,
      requeue: async () => 0,
      ...changed(() => clock.monotonic()),
    });
    return { clock, checked };
  };
  const orphan = { taskId: 't1', pool: 'default', owner: 'mac-3' };

  it('takes no time for a healthy mesh', async () => {
    const { checked } = check(() => ({}));
    expect((await checked).map(({ state }) => state)).not.toContain('failed');
  });

  it('reports an orphaned claim only if it persists for six seconds, in which a node may requeue it', async () => {
    const requeued = check((ms) => ({ orphanedClaims: async () => (ms() < 6_000 ? [orphan] : []) }));
    await requeued.clock.advance(6_000);
    expect(await requeued.checked).toContainEqual(expect.objectContaining({ check: 'claims', state: 'ok' }));
    const stuck = check(() => ({ orphanedClaims: async () => [orphan] }));
    await stuck.clock.advance(5_999);
    expect(await Promise.race([stuck.checked, 'under way'])).toBe('under way');
    await stuck.clock.advance(1);
    expect(await stuck.checked).toContainEqual(expect.objectContaining({ check: 'claims', state: 'failed' }));
  });

  it('reports an orphaned claim at once if no node is up that could requeue it', async () => {
    const { checked } = check(() => ({ nodes: async () => [], orphanedClaims: async () => [orphan] }));
    expect(await checked).toContainEqual(expect.objectContaining({ check: 'claims', state: 'failed' }));
  });

  it('reports an idle node only if tasks still wait for it after six seconds', async () => {
    const waiting = new Map([['default', 3]]);
    const claimed = check((ms) => ({ waiting: async () => (ms() < 6_000 ? waiting : new Map()) }));
    await claimed.clock.advance(6_000);
    expect(await claimed.checked).toContainEqual(expect.objectContaining({ check: 'spread', state: 'ok' }));
    const stuck = check(() => ({ waiting: async () => waiting }));
    await stuck.clock.advance(6_000);
    expect(await stuck.checked).toContainEqual(
      expect.objectContaining({
        check: 'spread',
        state: 'failed',
        evidence: expect.stringMatching(/^idle although .*: mac-1, mac-2$/),
      }),
    );
  });
});
