import type { Redis } from 'ioredis';

/** Scripts need what came with 6.2 (Valkey counts from 7.2). */
export const MINIMUM_VERSION = [6, 2] as const;

/** What a server says of itself (`INFO`). */
export class ServerInfo {
  readonly #fields: ReadonlyMap<string, string>;

  private constructor(info: string) {
    const lines = info.split(/\r?\n/).map((line) => /^([^:#]+):(.*)$/.exec(line));
    this.#fields = new Map(lines.flatMap((match) => (match ? [[match[1] as string, match[2] as string]] : [])));
  }

  static async of(client: Redis): Promise<ServerInfo> {
    return new ServerInfo(await client.info());
  }

  /** A field as it is; '' where there is none. */
  readonly text = (name: string): string => this.#fields.get(name) ?? '';

  /** A field as a number; 0 where there is none. */
  readonly number = (name: string): number => Number(this.text(name)) || 0;

  get version(): string {
    return this.text('redis_version');
  }

  /** Whether clawmesh works with this version. */
  get isSupported(): boolean {
    const [major = 0, minor = 0] = this.version.split('.').map(Number);
    return major > MINIMUM_VERSION[0] || (major === MINIMUM_VERSION[0] && minor >= MINIMUM_VERSION[1]);
  }
}
