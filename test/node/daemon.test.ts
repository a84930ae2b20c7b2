import { expect, it, vi } from 'vitest';
import type { LoadedConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { Daemon } from '../../src/node/daemon.ts';
import { Journal } from '../../src/node/journal.ts';
import { type NodeBackend, openNodeBackend } from '../../src/node/node-backend.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import { goneIncarnation } from '../../src/node/predecessor.ts';
import { NodeRuntime } from '../../src/node/runtime.ts';
import { NOT_UP_YET } from '../../src/node/standing.ts';
import { emptyFolder } from '../support/folders.ts';
import { testContext } from '../support/node-context.ts';
import { settled } from '../support/virtual-clock.ts';

vi.mock(import('../../src/node/node-backend.ts'), () => ({ openNodeBackend: vi.fn() }));
vi.mock(import('../../src/node/predecessor.ts'), () => ({ goneIncarnation: vi.fn() }));

const loadedConfig = (more: object = {}): LoadedConfig => ({
  config: configSchema.parse({ mesh: 'm', openclaw: { mode: 'simulate' }, ...more }),
  file: undefined,
  origins: new Map(),
  ownSecretEnv: [],
});

/** A daemon whose incarnations only write down what is asked of them; those of `errors` cannot begin. */
function daemonOf(errors: unknown[] = []) {
  const { clock, log, logged } = testContext();
  const did: unknown[] = [];
  const file: { read: () => LoadedConfig } = { read: loadedConfig };
  let fence = () => {};
  let begun = 0;
  const begin = async () => {
    did.push('begin');
    const error = errors.shift();
    if (error) throw error;
    const incarnation = ++begun;
    return {
      fenced: new Promise<void>((resolve) => {
        fence = resolve;
      }),
      standing: () => ({ ...NOT_UP_YET, incarnation }),
      configChanged: () => void did.push('configChanged'),
      drain: async (hurry: Promise<void>) => {
        did.push('drain');
        await hurry;
      },
      stop: async (how: string) => void did.push(how),
    } as unknown as NodeRuntime;
  };
  vi.spyOn(NodeRuntime, 'begin').mockImplementation(begin);
  vi.spyOn(Journal, 'open').mockResolvedValue({ close: async () => void did.push('journal closed') } as Journal);
  vi.mocked(openNodeBackend).mockResolvedValue({ id: 'x', close: () => void did.push('Redis closed') } as NodeBackend);
  vi.mocked(goneIncarnation).mockResolvedValue(0);
  const stop = new AbortController();
  const daemon = new Daemon({
    nodeId: 'mac-1',
    loaded: loadedConfig(),
    reload: () => file.read(),
    target: { kind: 'shared', config: { url: 'redis://nowhere' } } as never,
    version: '0.0.0',
    clock,
    log,
    observer: NO_OBSERVER,
    env: { CLAWMESH_HOME: emptyFolder() },
    signal: stop.signal,
  });
  return { daemon, clock, logged, did, file, fence: () => fence(), stop: () => stop.abort() };
}

it('drains on a stop, releases the remaining runs when it must hurry, and then closes everything it opened', async () => {
  const { daemon, did, stop } = daemonOf();
  const over = daemon.run();
  await settled();
  stop();
  await settled();
  expect(did).toEqual(['begin', 'drain']);
  daemon.hurry();
  await over;
  expect(did).toEqual(['begin', 'drain', 'release', 'journal closed', 'Redis closed']);
});

it('begins the next incarnation as soon as a fenced one has stopped', async () => {
  const { daemon, did, fence } = daemonOf();
  void daemon.run();
  expect(daemon.standing()).toBe(NOT_UP_YET);
  await settled();
  fence();
  await settled();
  expect(did).toEqual(['begin', 'fenced', 'begin']);
  expect(daemon.standing().incarnation).toBe(2);
});

it('repeats its first start after exactly 1 s if another daemon of the node was faster', async () => {
  const { daemon, clock, did, logged } = daemonOf([new ClawmeshError('fenced', 'replaced')]);
  void daemon.run();
  await clock.advance(999);
  expect(did).toEqual(['begin']);
  await clock.advance(1);
  expect(did).toEqual(['begin', 'begin']);
  expect(logged).toMatchObject([{ level: 'warn', error: expect.stringContaining('replaced') }]);
});

it('ends with the error if its first incarnation cannot start, and closes everything it opened', async () => {
  const { daemon, did } = daemonOf([new ClawmeshError('redis', 'READONLY')]);
  await expect(daemon.run()).rejects.toThrow('READONLY');
  expect(did).toEqual(['begin', 'journal closed', 'Redis closed']);
});

it('repeats the start of a later incarnation, whatever is wrong with Redis, until it succeeds', async () => {
  const errors: unknown[] = [];
  const { daemon, clock, did, fence } = daemonOf(errors);
  void daemon.run();
  await settled();
  errors.push(new Error('READONLY'), new ClawmeshError('redis', 'gone'));
  fence();
  await clock.advance(2_000);
  expect(did).toEqual(['begin', 'fenced', 'begin', 'begin', 'begin']);
  expect(daemon.standing().incarnation).toBe(2);
});

it('ends if another daemon has taken its node id while it was up', async () => {
  const { daemon, did, fence } = daemonOf();
  const over = daemon.run();
  await settled();
  vi.mocked(goneIncarnation).mockRejectedValue(new ClawmeshError('failed', 'already up on mac-2'));
  fence();
  await expect(over).rejects.toThrow('already up on mac-2');
  expect(did).toEqual(['begin', 'fenced', 'journal closed', 'Redis closed']);
});

it('stops at once while it waits to start, without starting or draining', async () => {
  const { daemon, did, stop } = daemonOf([new ClawmeshError('fenced', 'replaced')]);
  const over = daemon.run();
  await settled();
  stop();
  await over;
  expect(did).toEqual(['begin', 'journal closed', 'Redis closed']);
});

it('uses a reloaded config, and passes it to the incarnation, if no changed setting requires a restart', async () => {
  const { daemon, did, file, logged } = daemonOf();
  file.read = () => loadedConfig({ dispatch: { strategy: 'round-robin' } });
  daemon.reload();
  void daemon.run();
  await settled();
  expect(vi.mocked(NodeRuntime.begin).mock.lastCall?.[0].live.config.dispatch.strategy).toBe('round-robin');
  daemon.reload();
  expect(did).toEqual(['begin', 'configChanged']);
  expect(logged.map(({ level }) => level)).toEqual(['info', 'info']);
});

it('keeps its config, and names the settings, if a changed setting requires a restart', async () => {
  const { daemon, did, file, logged } = daemonOf();
  void daemon.run();
  await settled();
  file.read = () => loadedConfig({ dispatch: { strategy: 'round-robin' }, queue: { maxHandovers: 9 } });
  daemon.reload();
  expect(vi.mocked(NodeRuntime.begin).mock.lastCall?.[0].live.config.dispatch.strategy).not.toBe('round-robin');
  expect(logged).toMatchObject([{ level: 'error', settings: ['queue.maxHandovers'] }]);
  expect(did).toEqual(['begin']);
});

it('keeps its config if the file cannot be read, and logs why', async () => {
  const { daemon, did, file, logged } = daemonOf();
  void daemon.run();
  await settled();
  file.read = () => {
    throw new ClawmeshError('config', 'line 3: unknown setting');
  };
  daemon.reload();
  expect(logged).toMatchObject([{ level: 'error', error: expect.stringContaining('line 3') }]);
  expect(did).toEqual(['begin']);
});
