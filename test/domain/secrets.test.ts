import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillResults, wantedResults } from '../../src/domain/placeholders.ts';
import { maskedLine, secretMasker } from '../../src/domain/secrets.ts';

describe('masking of secrets', () => {
  const mask = secretMasker(['hunter2!', 'abc', 'hunter2!longer']);

  it.each([
    ['the password is hunter2!', 'the password is ********'],
    ['hunter2!longer first', '******** first'],
    ['abc is too short to be told from a word', 'abc is too short to be told from a word'],
    ['OPENAI sk-proj-abcDEF123456789', 'OPENAI ********'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '********'],
    ['xoxb-123456789012-abcdef', '********'],
    ['id AKIAIOSFODNN7EXAMPLE', 'id ********'],
    ['Authorization: Bearer eyJhbGciOi', 'Authorization: Bearer ********'],
    ['api_key="0123456789"', 'api_key="********"'],
    ['PASSWORD=letmein123', 'PASSWORD=********'],
    ['redis://user:secretpw@host:6379', 'redis://user:********@host:6379'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', '********'],
    ['x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl, y', 'x ********, y'],
    ['a-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl.more', 'a-********.more'],
    ['eyJ is no token, eyJhbGciOiJIUzI1NiJ9.short.x neither', 'eyJ is no token, eyJhbGciOiJIUzI1NiJ9.short.x neither'],
    ['2,048 tokens used, see https://example.com/a?b=c', '2,048 tokens used, see https://example.com/a?b=c'],
  ])('masks the secrets in %j', (text, masked) => expect(mask(text)).toBe(masked));

  it('never lets a known secret through, whatever text surrounds it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 8 }), fc.string(), (before, secret, after) => {
        fc.pre(!'********'.includes(secret));
        return !secretMasker([secret])(before + secret + after).includes(secret) || (before + after).includes(secret);
      }),
      { examples: [['', 'aaaaaaaa', 'a']] },
    );
  });
});

describe('a log line', () => {
  const secret = 'hunter2!'.repeat(8);
  const mask = secretMasker([secret]);

  it('masks a log line, and cuts only a long one', () => {
    expect(maskedLine(mask, `the password is ${secret}`, 40)).toBe('the password is ********');
    expect(maskedLine(mask, 'x'.repeat(40), 40)).toBe('x'.repeat(40));
    expect(maskedLine(mask, 'x'.repeat(41), 40)).toBe(`${'x'.repeat(40)}…`);
  });

  it('shows no part of a secret, wherever the line is cut', () => {
    for (let before = 0; before < 1_300; before++) {
      // Secrets before the cut get shorter when they are masked, which moves the cut.
      for (const lead of ['', `${secret} `.repeat(Math.floor(before / 70))]) {
        const line = `${lead}${'x'.repeat(Math.max(0, before - lead.length))} ${secret}${' and more'.repeat(300)}`;
        expect(maskedLine(mask, line, 100)).not.toContain('hunter2');
      }
    }
  });
});

describe('placeholders for results', () => {
  it('finds each placeholder once, and fills it', () => {
    const message = 'a {{result:x}} b {{result:y}} {{result:x}} {{other:z}} {{result:}}';
    expect(wantedResults(message)).toEqual(['x', 'y']);
    const results = new Map([
      ['x', '1'],
      ['y', '$& {{result:x}}'],
    ]);
    expect(fillResults(message, results)).toBe('a 1 b $& {{result:x}} 1 {{other:z}} {{result:}}');
  });
});
