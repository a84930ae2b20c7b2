import { totalmem } from 'node:os';
import { beforeEach, expect, it, vi } from 'vitest';
import { NodeProbe } from '../../src/node/node-probe.ts';
import type { NodeRegistry } from '../../src/registry/node-registry.ts';
import { testContext } from '../support/node-context.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

type MeshSample = Awaited<ReturnType<NodeRegistry['sampleMesh']>>;

beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));

/** A probe of mac-1, when it has looked at the machine and at the mesh, and what it finds there from now on. */
function probing() {
  const clock = new VirtualClock();
  const looked = { machine: [] as number[], mesh: [] as number[] };
  const mesh = { redisPolicy: 'noeviction', pausedPools: [] as string[], digests: new Map<string, string>() };
  const sampleMesh = async () => {
    looked.mesh.push(clock.monotonic());
    return mesh;
  };
  const context = testContext({ clock, registry: { sampleMesh } });
  const machine = {
    freeMemory: vi.fn(async () => {
      looked.machine.push(clock.monotonic());
      return totalmem() / 2;
    }),
    battery: vi.fn<() => Promise<number | null | undefined>>(async () => 0.8),
    speed: vi.fn<() => Promise<number | undefined>>(async () => 1),
  };
  const load = { cpu: 0 };
  return { ...context, probe: new NodeProbe(context, load, machine), looked, mesh, machine, load };
}

it('samples the machine every 10 s, and the mesh with every third sample', async () => {
  const { probe, clock, looked } = probing();
  probe.start();
  await clock.advance(60_000);
  expect(looked).toEqual({ machine: [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000], mesh: [0, 30_000, 60_000] });
});

it('samples the mesh at once after a change by hand, and again 30 s later', async () => {
  const { probe, clock, events, looked } = probing();
  probe.start();
  await clock.advance(12_000);
  events.emit('configChanged');
  await clock.advance(29_000);
  expect(looked.mesh).toEqual([0, 12_000, 40_000]);
});

it('knows nothing before its first sample, and everything after it', async () => {
  const { probe, clock, mesh, emitted } = probing();
  mesh.pausedPools = ['ios'];
  expect(probe.sample).toMatchObject({ freeMemory: undefined, redisPolicy: undefined, pausedPools: [] });
  probe.start();
  await clock.advance(0);
  expect(probe.sample).toEqual({
    freeMemory: totalmem() / 2,
    battery: 0.8,
    speed: 1,
    otherDigest: undefined,
    redisPolicy: 'noeviction',
    pausedPools: ['ios'],
  });
  expect(emitted).toEqual(['factsChanged']);
});

it('keeps its facts about the mesh between two samples', async () => {
  const { probe, clock, mesh } = probing();
  mesh.pausedPools = ['ios'];
  probe.start();
  await clock.advance(10_000);
  expect(probe.sample.pausedPools).toEqual(['ios']);
});

it('samples the mesh again after a change during a sample, and never twice at a time', async () => {
  const samples: PromiseWithResolvers<MeshSample>[] = [];
  const sampleMesh = () => {
    const sample = Promise.withResolvers<MeshSample>();
    samples.push(sample);
    return sample.promise;
  };
  const context = testContext({ registry: { sampleMesh } });
  const nothing = async () => undefined;
  const probe = new NodeProbe(context, { cpu: 0 }, { freeMemory: async () => 1, battery: nothing, speed: nothing });
  probe.start();
  context.events.emit('configChanged');
  await settled();
  expect(samples).toHaveLength(1);
  samples[0]?.resolve({ redisPolicy: 'noeviction', pausedPools: [], digests: new Map() });
  await settled();
  expect(samples).toHaveLength(2);
  samples[1]?.resolve({ redisPolicy: 'noeviction', pausedPools: ['ios'], digests: new Map() });
  await settled();
  expect(probe.sample.pausedPools).toEqual(['ios']);
  await probe.stop();
});

it('leaves a value undefined that the machine does not provide, and keeps the rest', async () => {
  const { probe, clock, machine, logged } = probing();
  for (const one of ['freeMemory', 'battery', 'speed'] as const) machine[one].mockRejectedValue(new Error('no tool'));
  probe.start();
  await clock.advance(0);
  expect(probe.sample).toMatchObject({
    freeMemory: undefined,
    battery: undefined,
    speed: undefined,
    redisPolicy: 'noeviction',
  });
  expect([probe.pressure, logged]).toEqual([1, []]);
});

it('computes the pressure from all its samples', async () => {
  const { probe, clock, machine, load } = probing();
  load.cpu = 3;
  machine.freeMemory.mockResolvedValue(totalmem() / 20);
  machine.battery.mockResolvedValue(null);
  probe.start();
  await clock.advance(0);
  expect(probe.pressure).toBe(1.5 * 2);
});

const OWN = 'own';
it.each([
  ['most others differ', ['x', 'x'], 'x'],
  ['as many differ as agree, itself included', ['x'], undefined],
  ['more agree', ['x', 'x', OWN, OWN], undefined],
  ['more differ than agree', ['x', 'x', 'x', OWN], 'x'],
  ['others differ among themselves', ['x', 'y', 'z'], undefined],
  ['one of several other configs has a majority over its own', ['x', 'y', 'x'], 'x'],
  ['it is alone', [], undefined],
] as const)('names another config only if more nodes have it: %s', async (_, digests, expected) => {
  const { probe, clock, mesh, live } = probing();
  mesh.digests.set('mac-1', 'its own old record');
  digests.forEach((digest, i) => void mesh.digests.set(`mac-${i + 2}`, digest === OWN ? live.digest : digest));
  probe.start();
  await clock.advance(0);
  expect(probe.sample.otherDigest).toBe(expected);
});
