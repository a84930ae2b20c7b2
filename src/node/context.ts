import type { LiveConfig } from '../config/live.ts';
import type { NodeConfig } from '../config/node-settings.ts';
import { secretValues } from '../config/secret-values.ts';
import type { Incarnation } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import { type Mask, secretMasker } from '../domain/secrets.ts';
import type { Logger } from '../log/logger.ts';
import type { Runner } from '../runners/runner.ts';
import { EventBus } from './event-bus.ts';
import type { Journal } from './journal.ts';
import type { NodeBackend } from './node-backend.ts';
import type { NodeObserver } from './observer.ts';
import { RedisClock } from './redis-clock.ts';

/** The objects that the daemon shares with every incarnation of its node. */
export interface DaemonContext {
  readonly nodeId: string;
  readonly live: LiveConfig;
  readonly settings: NodeConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly backend: NodeBackend;
  readonly runner: Runner;
  readonly journal: Journal;
  readonly observer: NodeObserver;
}

/** The context that all services of one incarnation share. */
export interface NodeContext extends DaemonContext {
  readonly owner: Incarnation;
  /** The pools that the node serves. */
  readonly pools: readonly string[];
  readonly redisClock: RedisClock;
  readonly events: EventBus;
  /** Mask secrets in a run's log lines, progress and errors (`said`), and in its answer. */
  readonly masks: { readonly said: Mask; readonly answer: Mask };
  /**
   * The error policy of every loop: `fenced` ends this incarnation, anything else is logged, and the loop continues.
   */
  readonly onError: (error: unknown) => void;
}

/** The context of an incarnation that Redis has just registered, at this Redis time, ms. */
export function nodeContext(daemon: DaemonContext, incarnation: number, redisTime: number): NodeContext {
  const { nodeId, clock, live, settings } = daemon;
  const log = daemon.log.child({ nodeId, incarnation });
  let isFenced = false;
  const onError = (error: unknown) => {
    if (hasCode(error, 'fenced')) {
      // Every loop sees this error until it is stopped.
      if (isFenced) return;
      isFenced = true;
      log.error({ error: messageOf(error) }, 'fenced: stopping all runs');
      events.emit('fenced');
    } else {
      log.warn({ error: messageOf(error) }, 'request to Redis failed');
    }
  };
  const events = new EventBus(onError);
  const secrets = secretValues(live.config);
  return {
    ...daemon,
    log,
    owner: { nodeId, incarnation },
    pools: Object.keys(settings.pools),
    redisClock: new RedisClock(clock, redisTime),
    events,
    masks: { said: secretMasker(secrets), answer: secretMasker(secrets, 'answer') },
    onError,
  };
}
