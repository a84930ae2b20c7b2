import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { runEnvironment } from '../../src/config/run-environment.ts';
import { configYaml } from '../../src/config/show.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';

const env = { WALL: 'the-token-of-the-wall', HOOK: 'the secret of the hook', PATH: '/bin' };
const text = `
dashboard:
  token: the main token of this mesh
  tokens:
    - {name: wall, token: "\${WALL}", role: viewer}
    - {name: ci, token: the-token-of-the-builds, role: operator}
hooks:
  review:
    secret: "\${HOOK}"
    task: {message: "Review {{body.title}}", pool: night, timeout: 5m, attempts: 2, deliver: "slack:C0123"}
`;
const load = (source: string) => parseConfig(source, 'mesh.yaml', env);
const problemOf = (source: string): string => {
  try {
    load(source);
  } catch (error) {
    if (error instanceof ClawmeshError && error.code === 'config') return error.message;
    throw error;
  }
  return 'accepted';
};

describe('the tokens and hooks of a config', () => {
  it('are shown without their secrets', () => {
    const shown = configYaml(load(text));
    for (const secret of ['the-token-of', 'the main token', 'the secret']) expect(shown).not.toContain(secret);
    expect(shown).toContain('Review {{body.title}}');
    expect(shown).toContain('timeout: 5m');
  });

  it('keep their secrets out of the environment of runs', () => {
    expect(runEnvironment(load(text), { ...env, COPY: 'the-token-of-the-builds' })).toEqual({ PATH: '/bin' });
  });

  const tokens = (list: string) => `dashboard: {token: a-main-token-of-30-letters, tokens: ${list}}`;
  const hook = (fields: string) => `hooks: {review: {secret: "a secret of this test", task: {${fields}}}}`;
  it.each([
    ['a short token', tokens('[{name: a, token: short, role: viewer}]'), /tokens\.0\.token: expected at least 16 char/],
    [
      'an empty token',
      tokens('[{name: a, token: "${NONE:-}", role: viewer}]'),
      /tokens\.0\.token: expected at least 16/,
    ],
    ['a token with spaces', tokens('[{name: a, token: 0123456789 abcdef, role: viewer}]'), /expected ASCII without/],
    ['an unknown role', tokens('[{name: a, token: 0123456789abcdef, role: admin}]'), /expected viewer or operator/],
    ['a name with a dot', tokens('[{name: a.b, token: 0123456789abcdef, role: viewer}]'), /name: expected letters/],
    [
      'the main token again',
      tokens('[{name: a, token: a-main-token-of-30-letters, role: viewer}]'),
      /tokens that differ/,
    ],
    [
      'a name twice',
      tokens('[{name: a, token: 0123456789abcdef, role: viewer}, {name: a, token: 0123456789abcdeg, role: viewer}]'),
      /tokens: expected each name only once/,
    ],
    [
      'a token twice',
      tokens('[{name: a, token: 0123456789abcdef, role: viewer}, {name: b, token: 0123456789abcdef, role: viewer}]'),
      /tokens: expected a different token for each name/,
    ],
    ['a short secret', 'hooks: {review: {secret: short, task: {message: x}}}', /secret: expected at least 16 char/],
    ['a hook without a message', hook('pool: night'), /task\.message: expected the prompt/],
    ['a wrong placeholder', hook('message: "{{title}}"'), /task\.message: expected only placeholders of the form/],
    ['an unknown field', hook('message: x, modell: y'), /modell: unknown key; did you mean "model"/],
    ['a recipient without a channel', hook('message: x, deliver: C0123'), /task\.deliver: expected <channel>:<to>/],
    ['a time limit without a unit', hook('message: x, timeout: "5"'), /task\.timeout: expected /],
    [
      'a name with a slash',
      'hooks: {"a/b": {secret: "a secret of this test", task: {message: x}}}',
      /expected a name of lower/,
    ],
  ])('may not have %s', (_what, source, problem) => {
    const found = problemOf(source);
    expect(found).toMatch(problem);
    expect(found).not.toMatch(/0123456789abc|a-main/);
  });
});
