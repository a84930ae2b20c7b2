import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GATES } from '../../src/gates/all.ts';
import { checkGates, type GateFacts } from '../../src/gates/gate.ts';
import { parsePmset, readPowerSupplies } from '../../src/platform/battery.ts';
import { freeDisk as freeDiskOf, freeMemory } from '../../src/platform/room.ts';
import { emptyFolder } from '../support/folders.ts';

const healthy: GateFacts = {
  openclaw: { mode: 'gateway', version: '2026.9.6', expected: '2026.9.6', healthy: true },
  openclawTrouble: null,
  versionMismatch: 'close',
  loginTrouble: undefined,
  journalTrouble: undefined,
  draining: undefined,
  freeDisk: 50e9,
  minFreeDisk: 5e9,
  freeMemory: 8e9,
  minFreeMemory: 1e9,
  battery: null,
  minBattery: 20,
  clockSkewMs: -40,
  maxClockSkewMs: 60_000,
  clockSkew: 'close',
  otherDigest: undefined,
  configDrift: 'close',
  pausedPools: [],
  redisPolicy: 'noeviction',
};
const states = (changed: Partial<GateFacts>) =>
  checkGates(GATES, { ...healthy, ...changed }).filter((gate) => gate.reason !== null);

describe('gates', () => {
  it('are open, and have nothing to say, on a healthy node', () => expect(states({})).toEqual([]));

  it('are open where nothing is known yet, but for OpenClaw', () => {
    const unknown = { freeDisk: undefined, freeMemory: undefined, battery: undefined, clockSkewMs: undefined };
    expect(states({ ...unknown, redisPolicy: undefined })).toEqual([]);
    expect(states({ openclawTrouble: undefined })).toMatchObject([{ name: 'openclaw-health', open: false }]);
  });

  it.each<[string, Partial<GateFacts>, string]>([
    ['draining', { draining: 'by hand' }, 'drained by hand'],
    ['openclaw-health', { openclawTrouble: 'the gateway does not answer' }, 'the gateway does not answer'],
    ['openclaw-version', { openclaw: { ...healthy.openclaw, version: '2026.9.7' } }, 'the mesh wants 2026.9.6'],
    ['auth', { loginTrouble: 'the provider refuses the login' }, 'refuses the login'],
    ['free-disk', { freeDisk: 4.2e9 }, '4.2 GB of disk are free, 5GB are wanted'],
    ['journal', { journalTrouble: '/x: ENOSPC: no space left' }, "can't be kept on disk: /x: ENOSPC"],
    ['memory', { freeMemory: 0.5e9 }, '0.5 GB of memory are free, 1GB are wanted'],
    ['power', { battery: 0.19 }, 'on battery at 19 %, 20 % are wanted'],
    ['clock', { clockSkewMs: 600_000 }, 'is 10m fast'],
    ['clock', { clockSkewMs: -600_000 }, 'is 10m slow'],
    ['config-drift', { otherDigest: 'abc123' }, 'is not that of most nodes (abc123)'],
    ['redis-policy', { redisPolicy: 'allkeys-lru' }, 'maxmemory-policy is allkeys-lru'],
  ])('%s closes with a reason and what to do: %j', (name, facts, reason) => {
    expect(states(facts)).toEqual([
      { name, open: false, reason: expect.stringContaining(reason), fix: expect.stringMatching(/\w{4}/) },
    ]);
  });

  it.each<[string, Partial<GateFacts>]>([
    ['openclaw-version', { openclaw: { ...healthy.openclaw, version: '2026.9.7' }, versionMismatch: 'warn' }],
    ['clock', { clockSkewMs: 600_000, clockSkew: 'warn' }],
    ['config-drift', { otherDigest: 'abc123', configDrift: 'warn' }],
  ])('%s only warns where the config says so', (name, facts) => {
    expect(states(facts)).toMatchObject([{ name, open: true, reason: expect.any(String) }]);
  });

  it('let a node go on at a limit, without one, and on mains', () => {
    expect(states({ battery: 0.2 })).toEqual([]);
    expect(states({ battery: 0.01, minBattery: 0 })).toEqual([]);
    expect(states({ freeMemory: 1, minFreeMemory: 0 })).toEqual([]);
    expect(states({ openclaw: { ...healthy.openclaw, version: '2026.9.7', expected: null } })).toEqual([]);
  });
});

describe('the battery', () => {
  it('counts while it is what a Mac runs on', () => {
    const pmset = (source: string) =>
      `Now drawing from '${source}'\n -InternalBattery-0 (id=21233763)\t87%; discharging; 5:12 remaining present: true\n`;
    expect(parsePmset(pmset('Battery Power'))).toBe(0.87);
    expect(parsePmset(pmset('AC Power'))).toBeNull();
    expect(parsePmset("Now drawing from 'AC Power'\n")).toBeNull();
    expect(parsePmset('')).toBeNull();
  });

  it('counts while Linux says that it is discharged', () => {
    const folder = emptyFolder();
    const supply = (name: string, files: Record<string, string>) => {
      mkdirSync(join(folder, name));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), `${text}\n`);
    };
    expect(readPowerSupplies(join(folder, 'none'))).toBeNull();
    supply('AC', { type: 'Mains' });
    expect(readPowerSupplies(folder)).toBeNull();
    mkdirSync(join(folder, 'x'));
    const other = emptyFolder();
    mkdirSync(join(other, 'BAT0'));
    for (const [file, text] of Object.entries({ type: 'Battery', status: 'Discharging', capacity: '42' }))
      writeFileSync(join(other, 'BAT0', file), `${text}\n`);
    expect(readPowerSupplies(other)).toBe(0.42);
    writeFileSync(join(other, 'BAT0', 'status'), 'Charging\n');
    expect(readPowerSupplies(other)).toBeNull();
  });
});

describe('room', () => {
  it('on disk and in memory is what the system says', async () => {
    expect(await freeDiskOf(emptyFolder())).toBeGreaterThan(0);
    expect(await freeMemory()).toBeGreaterThan(0);
  });
});
