import { Document, isScalar, visit } from 'yaml';
import { formatDuration, formatSize } from '../domain/units.ts';
import { type LoadedConfig, pathOf } from './load.ts';
import { MASK, maskUrl } from './mask.ts';
import { configSchema } from './schema.ts';
import { type Setting, settingOf } from './tree.ts';

/** The merged config as a plain tree: secrets masked, durations and sizes in their text form. */
export function shownConfig(loaded: LoadedConfig): Record<string, unknown> {
  return shown(loaded.config, settingOf(configSchema)) as Record<string, unknown>;
}

/** The merged config as YAML, with a comment after each value that names its source. */
export function configYaml(loaded: LoadedConfig): string {
  const { origins, file } = loaded;
  const originOf = (path: readonly string[]) => {
    const line = origins.get(path.join('.'));
    return line === undefined ? 'default' : `${file}:${line}`;
  };
  const document = new Document(shownConfig(loaded));
  visit(document, {
    Pair(_, pair, ancestors) {
      if (!isScalar(pair.key) || !isScalar(pair.value)) return;
      pair.value.comment = ` ${originOf(pathOf([...ancestors, pair]))}`;
    },
  });
  return document.toString({ lineWidth: 0 });
}

function shown(value: unknown, setting: Setting): unknown {
  if (setting.secret && typeof value === 'string') {
    if (setting.secret === 'password') return maskUrl(value);
    return value === '' ? '' : MASK;
  }
  if (typeof value === 'number') return written(value, setting);
  if (Array.isArray(value))
    return value.map((item) => (setting.element ? shown(item, settingOf(setting.element)) : item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => {
      const type = setting.shape ? setting.shape[key] : setting.element;
      return [key, type ? shown(child, settingOf(type)) : child];
    }),
  );
}

/** Durations and sizes are written as text but held as numbers; the unit of the default distinguishes them. */
function written(value: number, setting: Setting): unknown {
  if (setting.type._zod.def.type !== 'string') return value;
  const isSize = typeof setting.fallback === 'string' && setting.fallback.endsWith('B');
  return isSize ? formatSize(value) : formatDuration(value);
}
