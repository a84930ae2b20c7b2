import { pino } from 'pino';
import { LiveConfig } from '../../src/config/live.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import type { DaemonContext, NodeContext } from '../../src/node/context.ts';
import { nodeContext } from '../../src/node/context.ts';
import type { NodeBackend } from '../../src/node/node-backend.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import type { NodeRegistry } from '../../src/registry/node-registry.ts';
import type { Runner, RunnerCapabilities } from '../../src/runners/runner.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface TestContext extends NodeContext {
  readonly clock: VirtualClock;
  /** What was logged, oldest first. */
  readonly logged: readonly { readonly level: string; readonly msg: string; readonly [field: string]: unknown }[];
  /** Names of the events that were emitted, oldest first. */
  readonly emitted: readonly string[];
}

export type Parts = Partial<Omit<DaemonContext, 'backend' | 'runner' | 'journal' | 'live'>> & {
  readonly config?: object;
  readonly registry?: Partial<NodeRegistry>;
  readonly backend?: Partial<Omit<NodeBackend, 'registry'>>;
  readonly runner?: Partial<Runner>;
  readonly journal?: Partial<DaemonContext['journal']>;
};

/**
 * The context of mac-1, incarnation 1, on a virtual clock; calls of what was not given throw. Redis time is the wall
 * clock.
 */
export function testContext(parts: Parts = {}): TestContext {
  const logged: TestContext['logged'][number][] = [];
  const write = (line: string) => void logged.push(JSON.parse(line));
  const log = pino({ level: 'trace', base: null, formatters: { level: (level) => ({ level }) } }, { write });
  const config: Config = configSchema.parse({ mesh: 'm', ...parts.config });
  const clock = (parts.clock as VirtualClock | undefined) ?? new VirtualClock();
  const pools = { default: 1 };
  const daemon: DaemonContext = {
    nodeId: 'mac-1',
    live: new LiveConfig(config),
    settings: {
      pools,
      maxTasks: undefined,
      drainTimeout: 60_000,
      keepAwake: false,
      dashboard: false,
      labels: {},
      ...parts.settings,
    },
    version: '0.0.0',
    observer: NO_OBSERVER,
    ...parts,
    clock,
    log: parts.log ?? log,
    backend: partial<NodeBackend>(
      {
        ...parts.backend,
        registry: partial<NodeRegistry>({ noteGates: async () => {}, ...parts.registry }, 'registry'),
      },
      'backend',
    ),
    runner: partial<Runner>(
      {
        mode: 'exec',
        capabilities: capabilitiesOf(),
        ...parts.runner,
      },
      'runner',
    ),
    journal: partial<DaemonContext['journal']>(
      {
        folder: '/journal',
        trouble: undefined,
        pending: () => [],
        counts: () => ({ pending: 0, discarded: 0 }),
        ...parts.journal,
      },
      'journal',
    ),
  };
  const context = nodeContext(daemon, 1, clock.now());
  const emitted: string[] = [];
  const names = [
    'fenced',
    'factsChanged',
    'gatesChanged',
    'configChanged',
    'runsChanged',
    'runEnded',
    'heldFor',
    'answerReady',
    'drainExpired',
  ] as const;
  for (const name of names) context.events.on(name, () => void emitted.push(name));
  return { ...context, clock, logged, emitted };
}

/** Those of exec mode, but for what is changed. */
export function capabilitiesOf(changed: Partial<RunnerCapabilities> = {}): RunnerCapabilities {
  const asExec = { outlivesDaemon: false, hasProvider: true, limitsRuns: false, startsProgram: true };
  return { ...asExec, healthEveryMs: 60_000, remedy: 'start it again', ...changed };
}

/** What may be missing for real. */
const OPTIONAL = new Set(['then', 'toJSON', 'loginTrouble', 'messenger']);

/** An object of which only some parts are there; any other one throws when it is read. */
function partial<T extends object>(parts: Partial<T>, what: string): T {
  return new Proxy(parts as T, {
    get(target, name) {
      if (Reflect.has(target, name)) return Reflect.get(target, name);
      if (typeof name === 'symbol' || OPTIONAL.has(name)) return undefined;
      throw new Error(`the test has no ${what}.${name}`);
    },
  });
}
