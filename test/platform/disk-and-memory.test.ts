import { expect, it } from 'vitest';
import { freeDisk, freeMemory } from '../../src/platform/disk-and-memory.ts';
import { emptyFolder } from '../support/folders.ts';

it('reads free disk and memory from the system', async () => {
  expect(await freeDisk(emptyFolder())).toBeGreaterThan(0);
  expect(await freeMemory()).toBeGreaterThan(0);
});
