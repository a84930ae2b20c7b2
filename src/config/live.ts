import { configDigest } from './digest.ts';
import type { Config } from './schema.ts';

/**
 * The config of a running daemon. Changes to `dispatch`, `gates` and `openclaw.version` apply at once, because their
 * users read them at each use. Everything else requires a restart.
 */
export class LiveConfig {
  #config: Config;
  #digest: string;

  constructor(config: Config) {
    this.#config = config;
    this.#digest = configDigest(config);
  }

  get config(): Config {
    return this.#config;
  }

  get digest(): string {
    return this.#digest;
  }

  /**
   * Applies a new config as a whole, if no change in it requires a restart.
   *
   * @returns the settings that require a restart; if there are any, nothing was changed.
   */
  replace(next: Config): string[] {
    const restartFor = differences(withoutLive(this.#config), withoutLive(next));
    if (restartFor.length === 0) {
      this.#config = next;
      this.#digest = configDigest(next);
    }
    return restartFor;
  }
}

function withoutLive({ dispatch: _, gates: __, openclaw, ...rest }: Config): object {
  const { version: ___, ...others } = openclaw;
  return { openclaw: others, ...rest };
}

/** Dotted paths at which two configs differ. */
function differences(a: unknown, b: unknown, path = ''): string[] {
  if (!isObject(a) || !isObject(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => differences(a[key], b[key], path === '' ? key : `${path}.${key}`));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
