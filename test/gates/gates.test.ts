import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { GATES } from '../../src/gates/all.ts';
import type { NodeFacts } from '../../src/gates/gate.ts';
import { emptyFolder } from '../support/folders.ts';

const folder = emptyFolder();
const pinned = { mode: 'gateway', version: '2026.9.6', expected: '2026.9.6', healthy: true } as const;
const otherVersion = { ...pinned, version: '2026.9.7' };
const healthy: Omit<NodeFacts, 'config'> = {
  openclaw: pinned,
  openclawTrouble: null,
  openclawRemedy: 'restart it',
  authTrouble: undefined,
  failureTrouble: undefined,
  journal: { folder, trouble: undefined },
  draining: undefined,
  pause: undefined,
  freeMemory: 8e9,
  battery: null,
  clockSkewMs: -40,
  otherDigest: undefined,
  pausedPools: [],
  redisPolicy: 'noeviction',
};
/** Every gate that can close closes. */
const STRICT = {
  minFreeDisk: '1B',
  minFreeMemory: '1GB',
  minBattery: 20,
  maxClockSkew: '1m',
  clockSkew: 'close',
  versionMismatch: 'close',
  configDrift: 'close',
};

/** The gates that have something to say, on a healthy node except for `changed`. */
async function findings(changed: Partial<NodeFacts>, gates: object = {}) {
  const config = configSchema.parse({ gates: { ...STRICT, ...gates } });
  const facts: NodeFacts = { ...healthy, config, ...changed };
  const watched = GATES.map((gate) => gate.watch());
  for (const gate of watched) await gate.probe(facts).catch(() => {});
  return watched.map((gate) => gate.state(facts)).filter(({ reason }) => reason !== null);
}

it('opens every gate, and finds nothing, on a healthy node', async () => {
  expect(await findings({})).toEqual([]);
});

it('closes no gate for an unknown value, except OpenClaw', async () => {
  const unknown = { freeMemory: undefined, battery: undefined, clockSkewMs: undefined, redisPolicy: undefined };
  const noDisk = { journal: { folder: join(folder, 'none'), trouble: undefined } };
  expect(await findings({ ...unknown, ...noDisk })).toEqual([]);
  expect(await findings({ openclawTrouble: undefined })).toMatchObject([{ name: 'openclaw-health', open: false }]);
});

it.each<[string, Partial<NodeFacts>, string]>([
  ['draining', { draining: 'by hand' }, 'drained by an operator'],
  ['draining', { draining: 'stopping' }, 'the node is stopping'],
  ['paused', { pause: 'paused by ada on mac-1', pausedPools: ['xcode'] }, 'paused by ada on mac-1'],
  ['openclaw-health', { openclawTrouble: 'the gateway does not respond' }, 'the gateway does not respond'],
  ['openclaw-health', { failureTrouble: 'tasks fail in a row' }, 'tasks fail in a row'],
  ['openclaw-version', { openclaw: otherVersion }, 'the mesh requires 2026.9.6'],
  ['auth', { authTrouble: 'the provider refuses the login' }, 'refuses the login'],
  ['journal', { journal: { folder, trouble: '/x: ENOSPC: no space left' } }, "can't be kept on disk: /x: ENOSPC"],
  ['memory', { freeMemory: 0.5e9 }, '0.5 GB of memory is free, 1GB is required'],
  ['power', { battery: 0.19 }, 'on battery at 19 %, 20 % is required'],
  ['clock', { clockSkewMs: 600_000 }, 'is 10m fast'],
  ['clock', { clockSkewMs: -600_000 }, 'is 10m slow'],
  ['config-drift', { otherDigest: 'abc123' }, 'differs from the config of most nodes (abc123)'],
  ['redis-policy', { redisPolicy: 'allkeys-lru' }, 'maxmemory-policy is allkeys-lru'],
])('closes %s with a reason and a remedy: %j', async (name, facts, reason) => {
  expect(await findings(facts)).toEqual([
    { name, open: false, reason: expect.stringContaining(reason), fix: expect.stringMatching(/\w{4}/) },
  ]);
});

it('gives the remedy of the node’s runner while OpenClaw is not healthy', async () => {
  expect(await findings({ openclawTrouble: 'down' })).toMatchObject([{ fix: 'on that Mac: restart it' }]);
});

it('closes free-disk with a reason and a remedy', async () => {
  expect(await findings({}, { minFreeDisk: '999999GB' })).toEqual([
    {
      name: 'free-disk',
      open: false,
      reason: expect.stringMatching(/^\d+\.\d GB of disk space is free, \S+ is required$/),
      fix: expect.stringMatching(/\w{4}/),
    },
  ]);
});

it.each<[string, Partial<NodeFacts>, object]>([
  ['openclaw-version', { openclaw: otherVersion }, { versionMismatch: 'warn' }],
  ['clock', { clockSkewMs: 600_000 }, { clockSkew: 'warn' }],
  ['config-drift', { otherDigest: 'abc123' }, { configDrift: 'warn' }],
  ['paused', { pausedPools: ['xcode'] }, {}],
])('leaves %s open with a warning: %j with %j', async (name, facts, gates) => {
  expect(await findings(facts, gates)).toMatchObject([{ name, open: true, reason: expect.any(String) }]);
});

it('opens every gate at a limit, without a limit, and on mains power', async () => {
  expect(await findings({ battery: 0.2 })).toEqual([]);
  expect(await findings({ battery: 0.01 }, { minBattery: 0 })).toEqual([]);
  expect(await findings({ freeMemory: 1 }, { minFreeMemory: '0B' })).toEqual([]);
  expect(await findings({ openclaw: { ...otherVersion, expected: null } })).toEqual([]);
});
