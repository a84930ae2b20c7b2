import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configEnvironment } from '../../src/config/env-file.ts';
import { envValues } from '../../src/config/env-values.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { nodeConfig } from '../../src/config/node-settings.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { emptyFolder } from '../support/folders.ts';

const parse = (text: string, env: NodeJS.ProcessEnv = {}) => parseConfig(text, 'mesh.yaml', env).config;
const refusal = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    if (error instanceof ClawmeshError && error.code === 'config') return error.message;
    throw error;
  }
  return 'taken';
};

describe('a config text that YAML would read as a number', () => {
  it.each([
    '26.0',
    '1.10',
    '007',
    '1e10',
    '123e4567',
    '0x1f',
    '0o17',
    '9007199254740993',
    'True',
    'false',
    '2026-11-27',
  ])('reads a text as it is written: %s', (text) => {
    const config = parse(
      `openclaw: {version: ${text}}\nnodes: {m: {labels: {a: ${text}}, allow: {models: [${text}]}}}`,
    );
    expect(config.openclaw.version).toBe(text);
    expect(nodeConfig(config, 'm')).toMatchObject({ labels: { a: text }, allow: { models: [text] } });
  });

  it.each(['007', '1.10', '1e5', 'true'])('reads a name as it is written: %s', (text) => {
    const config = parse(`nodes:\n  ${text}: {labels: {${text}: x}}\nredis: {url: "redis://h:1", password: ${text}}`);
    expect(config.nodes).toEqual({ [text]: { labels: { [text]: 'x' } } });
    expect(config.redis?.password).toBe(text);
  });

  it.each([
    ['nothing', 'nodes: {m: {labels: {a: null}}}', /mesh.yaml:1:\d+: nodes.m.labels.a: expected labels/],
    ['an empty label', 'nodes: {m: {labels: {a: }}}', /nodes.m.labels.a: expected labels/],
    ['a list', 'nodes: {m: {labels: {a: [x]}}}', /nodes.m.labels.a: expected labels/],
    [
      'an octal number',
      'queue:\n  attempts: 010',
      /mesh.yaml:2:\d+: queue.attempts: 010 means another number in YAML 1.1/,
    ],
    ['a tag', 'redis:\n  url: redis://h:1\n  password: !vault abc', /mesh.yaml:3:\d+: not valid YAML: .*!vault/],
    ['YAML 1.1', '%YAML 1.1\n---\nmesh: a', /expected YAML 1.2/],
    ['a character of ours', 'mesh: a # \ue000', /mesh.yaml:1:\d+: remove the character from U\+E000/],
  ])('refuses a text that is %s, and names its line', (_, text, problem) => {
    expect(refusal(() => parse(text))).toMatch(problem);
  });

  it('refuses an environment variable that is not UTF-8', () => {
    expect(refusal(() => parse('mesh: x\ndashboard: {token: "${T}"}', { T: 'caf\ufffd' }))).toMatch(
      /mesh.yaml:2:\d+: environment variable T is not UTF-8 text/,
    );
  });

  it('refuses a node id that differs from another only in case', () => {
    const config = parse('nodes: {mac-1: {pools: {default: 9}}}');
    expect(refusal(() => nodeConfig(config, 'Mac-1'))).toMatch(
      /this node is Mac-1, but the inventory \(nodes\) has mac-1/,
    );
    expect(nodeConfig(config, 'mac-1').pools).toEqual({ default: 9 });
    expect(nodeConfig(config, 'mac-2').pools).toEqual({ default: 2 });
  });

  it.each(['node: {pools: {GPU: 1}}', 'dispatch: {weights: {Default: 2}}', 'nodes: {m: {pools: {Default: 1}}}'])(
    'refuses a pool name that differs from another only in case: %s',
    (text) => expect(refusal(() => parse(text))).toMatch(/mesh.yaml:1:\d+: .*expected a pool name: lower-case/),
  );
});

describe('the Redis URL', () => {
  const url = (text: string) => refusal(() => parse(`redis: {url: ${JSON.stringify(text)}}`));

  it.each([
    'redis://h',
    'redis://h:6379',
    'redis://h:6379/',
    'redis://h/0',
    'rediss://u:p@[::1]:6379/15',
    'redis://:a%23b@h/3',
  ])('accepts the Redis URL: %s', (text) => expect(url(text)).toBe('taken'));

  it.each([
    ['redis://h:6379/abc', /a database number/],
    ['redis://h:6379/-1', /a database number/],
    ['redis://h:6379/3x', /a database number/],
    ['redis://h:6379/03', /a database number/],
    ['redis://h:6379/1/2', /a database number/],
    ['redis://u:12/4@h:6379', /a database number/],
    ['redis://h:6379?db=3', /unexpected \?/],
    ['redis://h:6379/3?', /unexpected \?/],
    ['redis://u:12#4@h:6379/0', /unexpected #/],
    ['redis://:p%zz@h:6379/0', /a % does not start a valid escape/],
    ['redis://:%e9@h:6379/0', /a % does not start a valid escape/],
    ['redis:///3', /expected a host/],
    ['redis://h:0/3', /expected a host and a port/],
  ])('refuses the Redis URL without showing its password: %s', (text, problem) => {
    const told = url(text);
    expect(told).toMatch(problem);
    expect(told).toMatch(/^mesh.yaml:1:\d+: redis.url: /);
    expect(told).not.toMatch(/12|zz/);
  });
});

describe('the secrets file', () => {
  it.each([
    ['A=abc#def', 'abc#def'],
    ["A='abc #def'", 'abc #def'],
    ['A="abc #def" # comment', 'abc #def'],
    ["A='a\"b`c\\d$e'", 'a"b`c\\d$e'],
    ['A="a\\"b\\\\c\\$d\\`"', 'a"b\\c$d`'],
    ['A=a"b\'c', 'a"b\'c'],
    ['A=a\\nb', 'a\\nb'],
    ['A=a=b==', 'a=b=='],
    ['export A = x y ', 'x y'],
    ['A=', ''],
    ["A=''", ''],
    ['A=${B}$C', '${B}$C'],
    ['A=é😀', 'é😀'],
    ['\r\n# A=1\r\n  # B\r\nA=x\r\n', 'x'],
  ])('reads the line %j as the value %j', (text, value) => expect(envValues(text)).toEqual({ A: value }));

  it.each([
    ['A=hunter2 # x', /^line 1: A: the # may start a comment/],
    ['A=#hunter2', /^line 1: A: the # may start a comment/],
    ['\nA="hunter2', /^line 2: A: the opening " is not closed/],
    ["A='hunter2\nhunter2'", /^line 1: A: the opening ' is not closed/],
    ["A='it'hunter2'", /^line 1: A: unexpected text after/],
    ['A="hunter2"x', /^line 1: A: unexpected text after/],
    ['A="hunter2\\n"', /^line 1: A: programs disagree on this backslash/],
    ['A=`hunter2`', /^line 1: A: expected a value in/],
    ['hunter2', /^line 1: expected NAME=value/],
    ['A-B=hunter2', /^line 1: expected NAME=value/],
    ['A=1\nA=hunter2', /^line 2: A is already set above/],
  ])('names the line number, but not the value, when it refuses %j', (text, problem) => {
    expect(() => envValues(text)).toThrow(problem);
    expect(() => envValues(text)).not.toThrow(/hunter2/);
  });

  it('reads back any value that was written between single or double quotes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, '')),
        (value) => {
          if (!value.includes("'")) expect(envValues(`A='${value}'`)).toEqual({ A: value });
          expect(envValues(`A="${value.replace(/[\\"$`]/g, '\\$&')}"`)).toEqual({ A: value });
        },
      ),
    );
  });

  const files = (env: Buffer | string, config: Buffer | string = 'mesh: m\n') => {
    const folder = emptyFolder();
    const file = join(folder, 'clawmesh.yaml');
    writeFileSync(file, config);
    writeFileSync(join(folder, 'clawmesh.env'), env);
    chmodSync(join(folder, 'clawmesh.env'), 0o600);
    return file;
  };

  it('accepts a byte order mark in the secrets file and in the config', () => {
    const file = files('\ufeffA=x\n', '\ufeffmesh: m\n');
    expect(configEnvironment(file, {})).toEqual({ A: 'x' });
    expect(loadConfig({ file, env: {} }).config.mesh).toBe('m');
  });

  it.each([
    ['Latin-1', Buffer.from('# a\nA=caf\xe9', 'latin1'), /line 2 is not UTF-8 text/],
    ['UTF-16', Buffer.from('\ufeffA=x', 'utf16le'), /is UTF-16 text, expected UTF-8/],
  ])('refuses another encoding in the secrets file and in the config: %s', (_, bytes, problem) => {
    expect(refusal(() => configEnvironment(files(bytes), {}))).toMatch(problem);
    expect(refusal(() => loadConfig({ file: files('', bytes), env: {} }))).toMatch(problem);
  });
});
