import { auth } from './auth.ts';
import { clock } from './clock.ts';
import { configDrift } from './config-drift.ts';
import { draining } from './draining.ts';
import { freeDisk } from './free-disk.ts';
import type { Gate } from './gate.ts';
import { journal } from './journal.ts';
import { memory } from './memory.ts';
import { openclawHealth } from './openclaw-health.ts';
import { openclawVersion } from './openclaw-version.ts';
import { paused } from './paused.ts';
import { power } from './power.ts';
import { redisPolicy } from './redis-policy.ts';

/** Every gate of a node. */
export const GATES: readonly Gate[] = [
  draining,
  paused,
  openclawHealth,
  openclawVersion,
  auth,
  freeDisk,
  journal,
  memory,
  power,
  clock,
  configDrift,
  redisPolicy,
];
