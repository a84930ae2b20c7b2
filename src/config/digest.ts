import { createHash } from 'node:crypto';
import { maskUrl } from './mask.ts';
import { type Config, configSchema } from './schema.ts';
import { type Setting, settingOf } from './tree.ts';

/**
 * A short stable hash of everything that must be equal on all nodes: 12 hex digits of SHA-256. It excludes per-node
 * settings, counts secrets only as present or absent, and sorts the keys.
 */
export function configDigest(config: Config): string {
  const shared = JSON.stringify(sharedPart(config, settingOf(configSchema)) ?? {});
  return createHash('sha256').update(shared).digest('hex').slice(0, 12);
}

function sharedPart(value: unknown, setting: Setting): unknown {
  if (setting.local || value === undefined) return undefined;
  if (setting.secret === 'password' && typeof value === 'string') return maskUrl(value);
  if (setting.secret) return Boolean(value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) {
    return value.map((item) => (setting.element ? sharedPart(item, settingOf(setting.element)) : item));
  }
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, child]) => {
      const type = setting.shape ? setting.shape[key] : setting.element;
      const part = type ? sharedPart(child, settingOf(type)) : child;
      return part === undefined ? [] : [[key, part] as const];
    });
  return Object.fromEntries(entries);
}
