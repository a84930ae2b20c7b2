import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../domain/clock.ts';

/** Length of a session, ms: users log in at most twice a day. */
const SESSION_MS = 12 * 3_600_000;
/** Lifetime of a link, ms: long enough to find and click it. After that, a copy in a terminal or a log is worthless. */
const LINK_MS = 10 * 60_000;

/**
 * Controls access to the dashboard by a token. A session is a value signed with a key derived from the token, so every
 * dashboard of the mesh accepts it and none has to store it. The code of a login link is signed in the same way: any
 * holder of the token can make one, and a server accepts each once.
 */
export class Login {
  readonly #token: string;
  readonly #key: Buffer;
  readonly #linkKey: Buffer;
  /** Codes from before the start are refused, since they may have been used. */
  readonly #startedAt: number;
  readonly #clock: Clock;
  /** Sessions that were logged out, until they would expire anyway (ms since the epoch, this machine's clock). */
  readonly #loggedOut = new Map<string, number>();
  /** Used codes, with the time of their expiry. */
  readonly #usedCodes = new Map<string, number>();

  /** An empty token disables the login. */
  constructor(token: string, mesh: string, clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#token = token;
    this.#key = createHmac('sha256', token).update(`clawmesh dashboard session of ${mesh}`).digest();
    this.#linkKey = createHmac('sha256', token).update(`clawmesh dashboard link of ${mesh}`).digest();
  }

  /** Whether a login is required at all. */
  get required(): boolean {
    return this.#token !== '';
  }

  /** Compares in constant time, whatever the length of the given token. */
  isToken(given: string): boolean {
    return this.required && timingSafeEqual(digest(given), digest(this.#token));
  }

  /** A new session, as a cookie value. */
  newSession(): string {
    return sign(`${this.#clock.now() + SESSION_MS}.${randomBytes(12).toString('base64url')}`, this.#key);
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

  /** Whether this is a valid session. */
  isSession(value: string): boolean {
    return this.#endOf(value, this.#key) > this.#clock.now() && !this.#loggedOut.has(value);
  }

  logOut(value: string): void {
    const now = this.#clock.now();
    for (const [old, ends] of this.#loggedOut) if (ends < now) this.#loggedOut.delete(old);
    if (this.isSession(value)) this.#loggedOut.set(value, now + SESSION_MS);
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
