import { configDigest } from './digest.ts';
import type { Config } from './schema.ts';

/**
 * The config of a running daemon. It takes over `dispatch`, `gates` and `openclaw.version`, which are read anew at each use;
 * everything else requires a restart.
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
   * Takes over a new config whole, if it differs in nothing that requires a restart.
   *
   * @returns what does; nothing has changed then.
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
