import { describe, expect, it } from 'vitest';
import { accessOf } from '../../src/ops/http/access.ts';
import { isLoopback } from '../../src/ops/http/listen.ts';
import { Login } from '../../src/ops/http/login.ts';

const names = ['localhost', '127.0.0.1', '[::1]'];

describe('a login', () => {
  const login = new Login('secret', 'm');

  it('takes the token and nothing like it', () => {
    expect(login.isToken('secret')).toBe(true);
    for (const wrong of ['', 'Secret', 'secret ', 'secre', 'secrets']) expect(login.isToken(wrong)).toBe(false);
    expect(new Login('', 'm').isToken('')).toBe(false);
  });

  it('gives sessions that end, that every dashboard with this token takes, and no other', () => {
    const session = login.newSession(1_000);
    expect(login.isSession(session, 2_000)).toBe(true);
    expect(new Login('secret', 'm').isSession(session, 2_000)).toBe(true);
    expect(login.isSession(session, 1_000 + 12 * 3_600_000)).toBe(false);
    expect(new Login('secret', 'other').isSession(session, 2_000)).toBe(false);
    expect(new Login('other', 'm').isSession(session, 2_000)).toBe(false);
    expect(login.isSession(session.replace(/^\d/, '9'), 2_000)).toBe(false);
    for (const odd of ['', '.', '..', 'x', '9999999999999.x.', '9999999999999..'])
      expect(login.isSession(odd)).toBe(false);
    login.logOut(session, 2_000);
    expect(login.isSession(session, 2_000)).toBe(false);
  });
});

describe('the code of a link', () => {
  const login = new Login('secret', 'm');
  const codeOf = (link: string) => link.slice(link.indexOf('#') + 1);

  it('logs in once, until ten minutes have passed, and at no server that has started since', () => {
    const now = Date.now();
    const link = login.linkTo('http://127.0.0.1:1/', now);
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:1\/login#[\w.-]+$/);
    expect(link).not.toContain('secret');
    expect(login.takeCode(codeOf(link), now + 599_999)).toBe(true);
    expect(login.takeCode(codeOf(link), now + 599_999)).toBe(false);
    expect(login.takeCode(codeOf(login.linkTo('', now)), now + 600_000)).toBe(false);
    expect(login.takeCode(codeOf(login.linkTo('', now - 60_000)), now)).toBe(false);
    expect(login.takeCode(codeOf(login.linkTo('', now + 60_000)), now)).toBe(false);
  });

  it('is worth nothing with another token or mesh, as a session, or as a token; nor is a session as a code', () => {
    const code = codeOf(login.linkTo(''));
    expect(new Login('other', 'm').takeCode(code)).toBe(false);
    expect(new Login('secret', 'other').takeCode(code)).toBe(false);
    expect(new Login('', 'm').takeCode(codeOf(new Login('', 'm').linkTo('')))).toBe(false);
    expect(login.isSession(code)).toBe(false);
    expect(login.isToken(code)).toBe(false);
    expect(login.takeCode(login.newSession())).toBe(false);
  });
});

describe('without a token', () => {
  const open = new Login('', 'm');
  const access = (method: string, headers: Record<string, string>) =>
    accessOf({ method, headers, session: undefined }, open, names);

  it('this machine is let in, under its own names', () => {
    expect(access('GET', { host: 'localhost:7420' })).toBe('granted');
    expect(access('GET', { host: '[::1]:7420' })).toBe('granted');
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
      expect(access('GET', { host })).toMatchObject({ refused: expect.stringContaining('answers only to') });
    }
  });

  it('other pages change nothing', () => {
    const host = 'localhost:7420';
    const json = { 'content-type': 'application/json' };
    expect(access('POST', { host, ...json })).toBe('granted');
    expect(access('POST', { host, ...json, origin: 'http://localhost:7420' })).toBe('granted');
    expect(access('POST', { host, 'sec-fetch-site': 'same-origin' })).toBe('granted');
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

it('knows which addresses are this machine only', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(isLoopback(host)).toBe(true);
  for (const host of ['0.0.0.0', '::', '192.168.0.2', '127.evil.example', 'mac-1.local'])
    expect(isLoopback(host)).toBe(false);
});
