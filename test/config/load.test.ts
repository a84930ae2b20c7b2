import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configDigest } from '../../src/config/digest.ts';
import { EnvText } from '../../src/config/env-text.ts';
import { nodeIdentity } from '../../src/config/identity.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { nodeConfig } from '../../src/config/node-settings.ts';
import { secretValues } from '../../src/config/secret-values.ts';
import { configYaml, shownConfig } from '../../src/config/show.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { emptyFolder } from '../support/folders.ts';

const parse = (text: string, env: NodeJS.ProcessEnv = {}) => parseConfig(text, 'mesh.yaml', env);
const problemOf = (text: string, env: NodeJS.ProcessEnv = {}): string => {
  try {
    parse(text, env);
  } catch (error) {
    if (error instanceof ClawmeshError && error.code === 'config') return error.message;
    throw error;
  }
  return 'valid';
};

const CONTRACT = `mesh: studio
redis:
  url: redis://user:hunter2@10.0.0.1:6379/0
openclaw:
  version: 2026.9.6
  mode: gateway
  gateway: {url: ws://127.0.0.1:18789, token: \${OPENCLAW_GATEWAY_TOKEN}}
queue:
  visibilityTimeout: 10m
  backoff: {delay: 5s, max: 5m, jitter: 0.2}
health: {heartbeatInterval: 60s, missedHeartbeats: 3, crashGrace: 1s}
node:
  pools: {default: 2}
nodes:
  mac-mini-1: {}
  mac-studio: {pools: {default: 4, xcode: 1}}
gates: {minFreeDisk: 5GB, versionMismatch: close, configDrift: warn}
dashboard: {host: 127.0.0.1, port: 7420, token: \${CLAWMESH_DASHBOARD_TOKEN:-}}
alerts: {webhook: "", on: [node-dead, dead-letter, repeated-failover]}
`;
const ENV = { OPENCLAW_GATEWAY_TOKEN: 'gw: #secret"' };

describe('a valid config', () => {
  it('names a file on one line, whatever its name contains', () => {
    expect(() => loadConfig({ file: 'a\nb', env: {} })).toThrow(/^a b: no such file$/);
  });

  it('converts units to ms and bytes, and fills in defaults', () => {
    const { config } = parse(CONTRACT, ENV);
    expect(config.queue).toMatchObject({ visibilityTimeout: 600_000, taskTimeout: 1_800_000, attempts: 3 });
    expect(config.health.heartbeatInterval).toBe(60_000);
    expect(config.gates.minFreeDisk).toBe(5e9);
    expect(config.log).toEqual({ level: 'info', format: 'json' });
  });

  it('expands variables inside flow maps, and keeps their values as they are', () => {
    expect(parse(CONTRACT, ENV).config.openclaw.gateway.token).toBe('gw: #secret"');
  });

  it('ignores variables in comments', () => {
    expect(problemOf('mesh: a # ${NOT_SET}\n')).toBe('valid');
  });

  it('overrides only the defaults that a node sets itself', () => {
    const { config } = parse(CONTRACT, ENV);
    expect(nodeConfig(config, 'mac-studio')).toEqual({
      keepAwake: true,
      dashboard: false,
      labels: {},
      pools: { default: 4, xcode: 1 },
      drainTimeout: 300_000,
    });
    expect(nodeConfig(config, 'mac-mini-1').pools).toEqual({ default: 2 });
    expect(nodeConfig(config, 'not-in-the-inventory').pools).toEqual({ default: 2 });
  });

  it('names the variables of clawmesh’s own secrets, not of OpenClaw’s', () => {
    expect(parse(CONTRACT, ENV).ownSecretEnv).toEqual(['CLAWMESH_DASHBOARD_TOKEN']);
  });
});

describe('a bad config', () => {
  it.each([
    [
      'queue:\n  visibilityTimout: 3m\n',
      'mesh.yaml:2:3: queue.visibilityTimout: unknown key; did you mean "visibilityTimeout"?',
    ],
    ['mesh: [5]\n', 'mesh.yaml:1:1: mesh: expected string'],
    [
      'node: {drainTimeout: 3651d}',
      'mesh.yaml:1:8: node.drainTimeout: expected a duration such as 500ms, 30s, 10m, 2h or 7d, at most 3650d',
    ],
    ['health: {heartbeatInterval: 5 parsecs}', 'mesh.yaml:1:10: health.heartbeatInterval: expected a duration such as'],
    ['nodes:\n  mac~1: {}\n', 'mesh.yaml:2:3: nodes.mac~1: expected a node id'],
    ['redis: {url: "http://x"}', 'mesh.yaml:1:9: redis.url: expected redis://'],
    ['- a\n', 'mesh.yaml:1:1: expected settings such as'],
    ['a: [\n', 'not valid YAML'],
    ['redis: {url: ${NOPE}}', 'mesh.yaml:1:14: environment variable NOPE is not set'],
    ['node: {pools: {Bad Pool: 2}}', 'expected a pool name'],
    ['node: {pools: {p: many}}', 'node.pools.p: expected a whole number from 1 to 1000, got "many"'],
    ['node: {pools: {}}', 'node.pools: expected at least one pool'],
    ['queue: {visibilityTimeout: 2s}', 'expected more than health.heartbeatInterval × health.missedHeartbeats'],
    ['health: {heartbeatInterval: 200ms}', 'health.missedHeartbeats to be at least 1s'],
    ['redis: {sentinels: [{host: a}]}', 'expected `name`'],
    ['dispatch: {strategy: fastest}', 'expected pull'],
    ['mesh: a\nmesh: b\n', 'not valid YAML'],
  ])('refuses %j with its place and a remedy', (text, expected) => {
    expect(problemOf(text)).toContain(expected);
  });

  it('never shows a secret that is of the wrong type', () => {
    expect(problemOf('redis: {url: "redis://x", password: 12345}')).not.toContain('12345');
  });

  it('lists all problems, one per line', () => {
    expect(problemOf('mesh: M\nqueue: {attempts: 0}\nfoo: 1\n').split('\n')).toHaveLength(3);
  });

  it('makes the loader throw nothing but a config error', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof problemOf(text) === 'string'));
    const keys = fc.constantFrom('mesh', 'redis', 'queue', 'node', 'nodes', 'pools', 'url', 'token', 'x');
    fc.assert(
      fc.property(
        fc.dictionary(keys, fc.anything({ maxDepth: 2 })),
        (tree) => typeof problemOf(JSON.stringify(tree)) === 'string',
      ),
    );
  });
});

describe('search for the config file', () => {
  it('uses defaults for everything if there is no file', () => {
    expect(loadConfig({ env: { HOME: emptyFolder() } })).toMatchObject({ file: undefined, config: { mesh: 'local' } });
  });

  it('reports what is wrong with a file that was named', () => {
    const folder = emptyFolder();
    const empty = join(folder, 'empty.yaml');
    writeFileSync(empty, '# nothing here\n');
    mkdirSync(join(folder, 'dir'));
    const load = (file: string) => () => loadConfig({ file, env: {} });
    expect(load(join(folder, 'missing.yaml'))).toThrow('no such file');
    expect(load(join(folder, 'dir'))).toThrow('is a folder');
    expect(load(empty)).toThrow('is empty');
  });

  it.skipIf(process.getuid?.() === 0)('reports a file that may not be read', () => {
    const file = join(emptyFolder(), 'secret.yaml');
    writeFileSync(file, 'mesh: a\n');
    chmodSync(file, 0);
    expect(() => loadConfig({ file, env: {} })).toThrow('this user may not read it');
  });
});

describe('environment references', () => {
  it('keeps every line and column of the text when it expands variables', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('${A}', '${LONG_NAME:-x y}', 'text ', '\n', '$', '{')), (parts) => {
        const source = parts.join('');
        const masked = new EnvText(source).text;
        expect(masked.length).toBe(source.length);
        expect([...masked].filter((c) => c === '\n').length).toBe([...source].filter((c) => c === '\n').length);
      }),
    );
  });

  it('uses the default of a variable that is unset or empty', () => {
    const text = new EnvText('${A}-${B:-b}-${C}');
    expect(text.expand(text.text, { A: '1', B: '' })).toEqual({ value: '1-b-', missing: ['C'], garbled: [] });
  });
});

describe('config show', () => {
  it('masks every secret and keeps the rest as written', () => {
    const yaml = configYaml(parse(CONTRACT, ENV));
    expect(yaml).not.toMatch(/hunter2|gw: #secret/);
    expect(yaml).toContain('visibilityTimeout: 10m # mesh.yaml:9');
    expect(yaml).toContain('taskTimeout: 30m # default');
    expect(yaml).toContain('minFreeDisk: 5GB');
    expect(shownConfig(parse(CONTRACT, ENV))).toMatchObject({
      redis: { url: 'redis://user:********@10.0.0.1:6379/0' },
    });
  });
});

describe('a password in any URL', () => {
  const { config } = parse(
    'redis: {url: "redis://:first-pw@r"}\nopenclaw: {gateway: {url: "ws://u:second-pw@127.0.0.1:1"}}\ntelemetry: {endpoint: "https://u:third-pw@otel"}\n',
    {},
  );

  it('masks the password of any URL, and treats it as a secret', () => {
    const shown = JSON.stringify(shownConfig({ config, file: 'f', origins: new Map(), ownSecretEnv: [] }));
    expect(shown).not.toMatch(/-pw/);
    expect(shown).toContain('https://u:********@otel/');
    expect(secretValues(config)).toEqual(expect.arrayContaining(['first-pw', 'second-pw', 'third-pw']));
    expect(shownConfig(parse('mesh: m\n', {}))).toMatchObject({ telemetry: { endpoint: '' } });
  });
});

describe('the config digest', () => {
  const digest = (text: string, env = ENV) => configDigest(parse(text, env).config);
  const base = digest(CONTRACT);

  it('gives the same digest for another order of settings and for other secrets', () => {
    expect(digest(CONTRACT, { OPENCLAW_GATEWAY_TOKEN: 'another' })).toBe(base);
    expect(digest('queue: {attempts: 4}\nmesh: b\n')).toBe(digest('mesh: b\nqueue: {attempts: 4}\n'));
  });

  it('leaves per-node settings out of the digest', () => {
    expect(digest(`${CONTRACT}`.replace('xcode: 1', 'xcode: 3'))).toBe(base);
  });

  it('changes the digest with every setting that must be equal on all nodes', () => {
    expect(digest(CONTRACT.replace('2026.9.6', '2026.9.7'))).not.toBe(base);
    expect(digest(CONTRACT.replace(', token: ${OPENCLAW_GATEWAY_TOKEN}', ''))).not.toBe(base);
    expect(digest(CONTRACT.replace('10.0.0.1', '10.0.0.2'))).not.toBe(base);
  });
});

describe('the node id', () => {
  it('takes the node id from the environment, else from the host', () => {
    expect(nodeIdentity({ CLAWMESH_NODE_ID: 'mac-1', NODE_ID: 'x' })).toBe('mac-1');
    expect(nodeIdentity({ NODE_ID: 'mac-2' })).toBe('mac-2');
    expect(nodeIdentity({})).toMatch(/^[^.]+$/);
  });

  it('refuses a node id that would break lock tokens', () => {
    expect(() => nodeIdentity({ CLAWMESH_NODE_ID: 'mac:1' })).toThrow('not a valid node id');
  });
});
