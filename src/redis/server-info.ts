import type { Redis } from 'ioredis';
import type { Finding } from '../domain/finding.ts';

/** The oldest version in the tests (`npm run test:all servers`); Valkey starts at 7.2. */
const MINIMUM_VERSION = [6, 0] as const;

/** A requirement that a server does not meet. */
type Unfit = Finding & { readonly of: 'version' | 'policy' | 'role' };

/** The self-description of a server (`INFO`). */
export class ServerInfo {
  readonly #fields: ReadonlyMap<string, string>;

  private constructor(info: string) {
    const lines = info.split(/\r?\n/).map((line) => /^([^:#]+):(.*)$/.exec(line));
    this.#fields = new Map(lines.flatMap((match) => (match ? [[match[1] as string, match[2] as string]] : [])));
  }

  /** Reads the default sections, or the named one. */
  static async of(client: Redis, section = 'default'): Promise<ServerInfo> {
    return ServerInfo.from(await client.info(section));
  }

  /** Parses the reply to `INFO`. */
  static from(info: string): ServerInfo {
    return new ServerInfo(info);
  }

  /** A field as text; '' if it is missing. */
  readonly text = (name: string): string => this.#fields.get(name) ?? '';

  /** A field as a number; 0 if it is missing. */
  readonly number = (name: string): number => Number(this.text(name)) || 0;

  get version(): string {
    return this.text('redis_version');
  }

  /** The eviction policy for a full memory; '' if the server does not report it. */
  get evictionPolicy(): string {
    return this.text('maxmemory_policy');
  }

  /** Why this server can't be used for a mesh; empty if it can. */
  get unfit(): readonly Unfit[] {
    const found: Unfit[] = [];
    if (!this.#isSupported) {
      found.push({
        of: 'version',
        severity: 'error',
        problem: `Redis ${this.version || 'of unknown version'} is too old`,
        remedy: `use Redis ${MINIMUM_VERSION.join('.')} or newer, or Valkey`,
      });
    }
    if (this.evictionPolicy !== '' && this.evictionPolicy !== 'noeviction') {
      found.push({
        of: 'policy',
        severity: 'error',
        problem: `Redis may evict tasks: maxmemory-policy is ${this.evictionPolicy}`,
        remedy: 'set it to noeviction (redis-cli CONFIG SET maxmemory-policy noeviction, and also in redis.conf)',
      });
    }
    if (this.text('role') === 'slave') {
      found.push({
        of: 'role',
        severity: 'error',
        problem: 'this Redis is a read-only replica',
        remedy: 'point redis.url at the primary, or use redis.sentinels, which finds the primary',
      });
    }
    return found;
  }

  get #isSupported(): boolean {
    const [major = 0, minor = 0] = this.version.split('.').map(Number);
    return major > MINIMUM_VERSION[0] || (major === MINIMUM_VERSION[0] && minor >= MINIMUM_VERSION[1]);
  }
}
