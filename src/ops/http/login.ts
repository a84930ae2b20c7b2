import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';

/** Length of a session, ms: users log in at most twice a day. */
const SESSION_MS = 12 * 3_600_000;
/** Lifetime of a link, ms: long enough to find and click it. After that, a copy in a terminal or a log is worthless. */
const LINK_MS = 10 * 60_000;

/** `viewer` only reads; `operator` may also change the mesh. */
export type Role = Config['dashboard']['tokens'][number]['role'];

/** The owner of a token. */
export interface User {
  /** The name of the token in the config, for the log. */
  readonly name: string;
  readonly role: Role;
}

/** The owner of `dashboard.token`. No name in `dashboard.tokens` contains a dot. */
const MAIN_USER: User = { name: 'dashboard.token', role: 'operator' };

interface Account {
  readonly user: User;
  /** Digest of the token. */
  readonly token: Buffer;
  /** Signs the sessions of this user. */
  readonly key: Buffer;
}

/**
 * Controls access to the dashboard by tokens. A session is a value signed with a key derived from the user's token, so
 * every dashboard of the mesh accepts it and none has to store it. It ends when its token leaves the config. The code of
 * a login link is signed with `dashboard.token`: any holder of that token can make one, and a server accepts each once.
 */
export class Login {
  readonly #accounts: readonly Account[];
  readonly #linkKey: Buffer;
  /** Codes from before the start are refused, since they may have been used. */
  readonly #startedAt: number;
  readonly #clock: Clock;
  /** Sessions that were logged out, until they would expire anyway (ms since the epoch, this machine's clock). */
  readonly #loggedOut = new Map<string, number>();
  /** Used codes, with the time of their expiry. */
  readonly #usedCodes = new Map<string, number>();

  /** An empty `token` disables the login. `tokens`: those of further users. */
  constructor(token: string, mesh: string, clock: Clock, tokens: Config['dashboard']['tokens'] = []) {
    this.#clock = clock;
    this.#startedAt = clock.now();
    const users = [{ token, ...MAIN_USER }, ...tokens];
    this.#accounts = (token === '' ? [] : users).map(({ name, role, token: own }) => ({
      user: { name, role },
      token: digest(own),
      key: createHmac('sha256', own).update(`clawmesh dashboard session of ${mesh}`).digest(),
    }));
    this.#linkKey = createHmac('sha256', token).update(`clawmesh dashboard link of ${mesh}`).digest();
  }

  /** Whether a login is required at all. */
  get required(): boolean {
    return this.#accounts.length > 0;
  }

  /** The owner of this token. Compares with all tokens in constant time, whatever the length of the given one. */
  userOf(given: string): User | undefined {
    const found = digest(given);
    return this.#accounts.filter(({ token }) => timingSafeEqual(found, token))[0]?.user;
  }

  /** A new session of this user, as a cookie value; by default of the owner of `dashboard.token`. */
  newSession({ name }: Pick<User, 'name'> = MAIN_USER): string {
    const account = this.#accounts.find(({ user }) => user.name === name);
    if (!account) throw new Error(`no token of ${name}`);
    return sign(`${this.#clock.now() + SESSION_MS}.${randomBytes(12).toString('base64url')}`, account.key);
  }

  /**
   * A link that logs in once, within ten minutes. Its code is in the fragment, which browsers do not send and servers
   * do not log. `page`, which begins with a slash: the fragment of the page that follows the login.
   */
  linkTo(dashboard: string, page = ''): string {
    const ends = this.#clock.now() + LINK_MS;
    return `${dashboard}login#${sign(`${ends}.${randomBytes(12).toString('base64url')}`, this.#linkKey)}${page}`;
  }

  /** Whether this is a valid, unused code of a link; marks it as used. */
  takeCode(value: string): boolean {
    const now = this.#clock.now();
    for (const [old, ends] of this.#usedCodes) if (ends < now) this.#usedCodes.delete(old);
    const ends = this.#endOf(value, this.#linkKey);
    const fresh = ends > now && ends <= now + LINK_MS && ends - LINK_MS >= this.#startedAt;
    if (!fresh || this.#usedCodes.has(value)) return false;
    this.#usedCodes.set(value, ends);
    return true;
  }

  /** The user of this session; undefined if it is not valid. */
  sessionUser(value: string): User | undefined {
    if (this.#loggedOut.has(value)) return undefined;
    return this.#accounts.find(({ key }) => this.#endOf(value, key) > this.#clock.now())?.user;
  }

  logOut(value: string): void {
    const now = this.#clock.now();
    for (const [old, ends] of this.#loggedOut) if (ends < now) this.#loggedOut.delete(old);
    if (this.sessionUser(value)) this.#loggedOut.set(value, now + SESSION_MS);
  }

  /** Expiry of a value that was signed with this key (ms since the epoch); NaN if the signature is invalid. */
  #endOf(value: string, key: Buffer): number {
    const signed = value.slice(0, value.lastIndexOf('.'));
    if (!this.required || signed === '') return Number.NaN;
    const isOurs = timingSafeEqual(digest(sign(signed, key)), digest(value));
    return isOurs ? Number(signed.split('.')[0]) : Number.NaN;
  }
}

function sign(text: string, key: Buffer): string {
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
