import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../domain/clock.ts';

/** People log in twice a day at most, ms. */
const SESSION_MS = 12 * 3_600_000;
/**
 * Long enough to find the line and click on it, ms; what is left of a link in a terminal or a log is worth nothing
 * then.
 */
const LINK_MS = 10 * 60_000;

/**
 * Who may see the dashboard: whoever knows the token. A session is a value signed with a key that only the token gives,
 * so
 * every dashboard of the mesh takes it, and none has to remember it. So is the code of a link that logs in: whoever
 * knows the
 * token can make one, and a server takes each once.
 */
export class Login {
  readonly #token: string;
  readonly #key: Buffer;
  readonly #linkKey: Buffer;
  /** Codes from before may have been used: nobody remembers. */
  readonly #startedAt: number;
  readonly #clock: Clock;
  /**
   * Sessions that were logged out of, until they would end by themselves (ms since the epoch, this machine's clock).
   */
  readonly #loggedOut = new Map<string, number>();
  /** Codes that were used, likewise. */
  readonly #usedCodes = new Map<string, number>();

  /** An empty token lets everybody in. */
  constructor(token: string, mesh: string, clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#token = token;
    this.#key = createHmac('sha256', token).update(`clawmesh dashboard session of ${mesh}`).digest();
    this.#linkKey = createHmac('sha256', token).update(`clawmesh dashboard link of ${mesh}`).digest();
  }

  /** Whether anybody has to log in at all. */
  get required(): boolean {
    return this.#token !== '';
  }

  /** Takes as long for a wrong token as for a right one, whatever its length. */
  isToken(given: string): boolean {
    return this.required && timingSafeEqual(digest(given), digest(this.#token));
  }

  /** A new session, as the value of a cookie. */
  newSession(): string {
    return sign(`${this.#clock.now() + SESSION_MS}.${randomBytes(12).toString('base64url')}`, this.#key);
  }

  /**
   * A link that logs in once, within ten minutes. Its code is in the fragment, which no browser sends and no server
   * logs.
   */
  linkTo(dashboard: string): string {
    const ends = this.#clock.now() + LINK_MS;
    return `${dashboard}login#${sign(`${ends}.${randomBytes(12).toString('base64url')}`, this.#linkKey)}`;
  }

  /** Whether this is the code of a link of ours that was not used yet; it is from now on. */
  takeCode(value: string): boolean {
    const now = this.#clock.now();
    for (const [old, ends] of this.#usedCodes) if (ends < now) this.#usedCodes.delete(old);
    const ends = this.#endOf(value, this.#linkKey);
    const fresh = ends > now && ends <= now + LINK_MS && ends - LINK_MS >= this.#startedAt;
    if (!fresh || this.#usedCodes.has(value)) return false;
    this.#usedCodes.set(value, ends);
    return true;
  }

  /** Whether this is a session of ours that goes on. */
  isSession(value: string): boolean {
    return this.#endOf(value, this.#key) > this.#clock.now() && !this.#loggedOut.has(value);
  }

  logOut(value: string): void {
    const now = this.#clock.now();
    for (const [old, ends] of this.#loggedOut) if (ends < now) this.#loggedOut.delete(old);
    if (this.isSession(value)) this.#loggedOut.set(value, now + SESSION_MS);
  }

  /** When what was signed with this key ends (ms since the epoch); NaN for what was not. */
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
