import { describe, expect, it } from 'vitest';
import { accessOf } from '../../src/ops/http/access.ts';
import { isLoopback } from '../../src/ops/http/listen.ts';
import { Login } from '../../src/ops/http/login.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const names = ['localhost', '127.0.0.1', '[::1]'];

const HOUR_MS = 3_600_000;

describe('a login', () => {
  const clock = new VirtualClock();
  const login = new Login('secret', 'm', clock);

  it('accepts the token and nothing similar', () => {
    expect(login.userOf('secret')).toEqual({ name: 'dashboard.token', role: 'operator' });
    for (const wrong of ['', 'Secret', 'secret ', 'secre', 'secrets']) expect(login.userOf(wrong)).toBeUndefined();
    expect(new Login('', 'm', clock).userOf('')).toBeUndefined();
  });

  it('gives sessions that every dashboard with this token and mesh accepts, and no other', () => {
    const session = login.newSession();
    expect(login.sessionUser(session)?.role).toBe('operator');
    expect(new Login('secret', 'm', clock).sessionUser(session)?.role).toBe('operator');
    expect(new Login('secret', 'other', clock).sessionUser(session)).toBeUndefined();
    expect(new Login('other', 'm', clock).sessionUser(session)).toBeUndefined();
    expect(login.sessionUser(session.replace(/^\d/, '9'))).toBeUndefined();
    for (const odd of ['', '.', '..', 'x', '9999999999999.x.', '9999999999999..'])
      expect(login.sessionUser(odd)).toBeUndefined();
  });

  it('ends a session after exactly twelve hours', async () => {
    const session = login.newSession();
    await clock.advance(12 * HOUR_MS - 1);
    expect(login.sessionUser(session)?.role).toBe('operator');
    await clock.advance(1);
    expect(login.sessionUser(session)).toBeUndefined();
  });

  it('ends a session for good when its user logs out, and leaves others alone', async () => {
    const [session, other] = [login.newSession(), login.newSession()];
    login.logOut(session);
    expect(login.sessionUser(session)).toBeUndefined();
    expect(login.sessionUser(other)?.role).toBe('operator');
    await clock.advance(12 * HOUR_MS + 1);
    login.logOut(other); // forgets sessions that have ended by themselves
    expect(login.sessionUser(session)).toBeUndefined();
  });
});

describe('a login with several tokens', () => {
  const clock = new VirtualClock();
  const tokens = [
    { name: 'wall', token: 'a token for the wall', role: 'viewer' as const },
    { name: 'ci', token: 'a token for the builds', role: 'operator' as const },
  ];
  const login = new Login('secret', 'm', clock, tokens);

  it('knows the name and the role of each token', () => {
    expect(login.userOf('a token for the wall')).toEqual({ name: 'wall', role: 'viewer' });
    expect(login.userOf('a token for the builds')).toEqual({ name: 'ci', role: 'operator' });
    expect(login.userOf('secret')?.name).toBe('dashboard.token');
    expect(login.userOf('a token for')).toBeUndefined();
  });

  it('keeps the role in the session, and ends the sessions of a token that leaves the config', () => {
    const session = login.newSession({ name: 'wall' });
    expect(login.sessionUser(session)).toEqual({ name: 'wall', role: 'viewer' });
    expect(new Login('secret', 'm', clock, tokens).sessionUser(session)?.name).toBe('wall');
    expect(new Login('secret', 'm', clock, tokens.slice(1)).sessionUser(session)).toBeUndefined();
    login.logOut(session);
    expect(login.sessionUser(session)).toBeUndefined();
  });

  it('accepts none of them while no login is required', () => {
    expect(new Login('', 'm', clock, tokens).required).toBe(false);
    expect(new Login('', 'm', clock, tokens).userOf('a token for the wall')).toBeUndefined();
  });
});

describe('the code of a link', () => {
  const clock = new VirtualClock();
  const login = new Login('secret', 'm', clock);
  const codeOf = (link: string) => link.slice(link.indexOf('#') + 1);

  it('puts the code into the fragment of the link, which no browser sends, and keeps the token out of it', () => {
    const link = login.linkTo('http://127.0.0.1:1/');
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:1\/login#[\w.-]+$/);
    expect(link).not.toContain('secret');
  });

  it('logs in once by a code, until ten minutes have passed', async () => {
    const [code, late] = [codeOf(login.linkTo('')), codeOf(login.linkTo(''))];
    await clock.advance(599_999);
    expect(login.takeCode(code)).toBe(true);
    expect(login.takeCode(code)).toBe(false);
    await clock.advance(1);
    expect(login.takeCode(late)).toBe(false);
  });

  it('refuses a code from before the start of the server, or from the future', async () => {
    const code = codeOf(login.linkTo(''));
    await clock.advance(1);
    expect(new Login('secret', 'm', clock).takeCode(code)).toBe(false);
    const fromTheFuture = codeOf(login.linkTo(''));
    clock.setWall(clock.now() - 1);
    expect(login.takeCode(fromTheFuture)).toBe(false);
  });

  it('refuses a code with another token or mesh, as a session or as a token, and a session as a code', () => {
    const code = codeOf(login.linkTo(''));
    expect(new Login('other', 'm', clock).takeCode(code)).toBe(false);
    expect(new Login('secret', 'other', clock).takeCode(code)).toBe(false);
    const open = new Login('', 'm', clock);
    expect(open.takeCode(codeOf(open.linkTo('')))).toBe(false);
    expect(login.sessionUser(code)).toBeUndefined();
    expect(login.userOf(code)).toBeUndefined();
    expect(login.takeCode(login.newSession())).toBe(false);
  });
});

describe('a dashboard without a token', () => {
  const open = new Login('', 'm', new VirtualClock());
  const access = (method: string, headers: Record<string, string>) =>
    accessOf({ method, headers, session: undefined }, open, names);

  it('lets this machine in under its own names', () => {
    expect(access('GET', { host: 'localhost:7420' })).toBe('open');
    expect(access('GET', { host: '[::1]:7420' })).toBe('open');
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
      expect(access('GET', { host })).toMatchObject({ refused: expect.stringContaining('accepts only requests to') });
    }
  });

  it('lets other pages change nothing', () => {
    const host = 'localhost:7420';
    const json = { 'content-type': 'application/json' };
    expect(access('POST', { host, ...json })).toBe('open');
    expect(access('POST', { host, ...json, origin: 'http://localhost:7420' })).toBe('open');
    expect(access('POST', { host, 'sec-fetch-site': 'same-origin' })).toBe('open');
    for (const headers of [
      {},
      { origin: 'null' },
      { ...json, origin: 'http://localhost:3000' },
      { ...json, 'sec-fetch-site': 'same-site' },
    ]) {
      expect(access('POST', { host, ...headers })).toMatchObject({ refused: expect.any(String) });
    }
  });
});

it('knows the addresses of this machine only', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(isLoopback(host)).toBe(true);
  for (const host of ['0.0.0.0', '::', '192.168.0.2', '127.evil.example', 'mac-1.local'])
    expect(isLoopback(host)).toBe(false);
});
