import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** People log in twice a day at most, ms. */
const SESSION_MS = 12 * 3_600_000;

/**
 * Who may see the dashboard: whoever knows the token. A session is a value signed with a key that only the token gives, so
 * every dashboard of the mesh takes it, and none has to remember it.
 */
export class Login {
  readonly #token: string;
  readonly #key: Buffer;
  /** Sessions that were logged out of, until they would end by themselves (ms since the epoch, this machine's clock). */
  readonly #loggedOut = new Map<string, number>();

  /** An empty token lets everybody in. */
  constructor(token: string, mesh: string) {
    this.#token = token;
    this.#key = createHmac('sha256', token).update(`clawmesh dashboard session of ${mesh}`).digest();
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
  newSession(now = Date.now()): string {
    return this.#sign(`${now + SESSION_MS}.${randomBytes(12).toString('base64url')}`);
  }

  /** Whether this is a session of ours that goes on. */
  isSession(value: string, now = Date.now()): boolean {
    const signed = value.slice(0, value.lastIndexOf('.'));
    const ends = Number(signed.split('.')[0]);
    if (!this.required || signed === '') return false;
    const isOurs = timingSafeEqual(digest(this.#sign(signed)), digest(value));
    return isOurs && ends > now && !this.#loggedOut.has(value);
  }

  logOut(value: string, now = Date.now()): void {
    for (const [old, ends] of this.#loggedOut) if (ends < now) this.#loggedOut.delete(old);
    if (this.isSession(value, now)) this.#loggedOut.set(value, now + SESSION_MS);
  }

  #sign(text: string): string {
    return `${text}.${createHmac('sha256', this.#key).update(text).digest('base64url')}`;
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
