import { homedir } from 'node:os';
import { join } from 'node:path';

/** The OpenClaw that the end-to-end tests run against. */
export const OPENCLAW_VERSION = '2026.9.6';

/** Where `scripts/setup openclaw` puts it. */
export const openclawFolder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'clawmesh',
  'openclaw',
  OPENCLAW_VERSION,
);
export const openclawEntry = join(openclawFolder, 'node_modules', 'openclaw', 'openclaw.mjs');
export const openclawBin = join(openclawFolder, 'node_modules', '.bin', 'openclaw');
