import type { Config } from './schema.ts';
import { configSchema } from './schema.ts';
import { type Setting, settingOf } from './tree.ts';

/** All secrets in this config, to mask them in any output. */
export function secretValues(config: Config): string[] {
  return collect(config, settingOf(configSchema));
}

function collect(value: unknown, setting: Setting): string[] {
  if (setting.secret === 'password' && typeof value === 'string') return passwordOf(value);
  if (setting.secret && typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const type = setting.shape ? setting.shape[key] : setting.element;
    return type ? collect(child, settingOf(type)) : [];
  });
}

/** In a URL, only the password is secret. */
function passwordOf(text: string): string[] {
  if (!URL.canParse(text)) return [text];
  const { password } = new URL(text);
  return password === '' ? [] : [password, decodeURIComponent(password)];
}
