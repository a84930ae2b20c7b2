import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisOptions as IoredisOptions, Redis } from 'ioredis';
import * as z from 'zod';
import type { RedisConfig } from '../config/schema.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { connectionRefusal } from './connection-refusal.ts';
import { explainRedisError, hungUp, isLasting } from './explain.ts';
import { sentinelConnector, serverName } from './sentinel-connector.ts';
import { ServerInfo } from './server-info.ts';

type RedisOptions = Omit<IoredisOptions, 'replyMapping'>;

/** The location of Redis: the config's `redis` section, or the unix socket of a private server. */
export type RedisTarget =
  | { readonly kind: 'shared'; readonly config: RedisConfig }
  | { readonly kind: 'private'; readonly socket: string };

/**
 * The purpose of a connection.
 *
 * - `cli`: short commands while a person waits; gives up within {@link CLI_TIMEOUT_MS}.
 * - `service`: commands of a long-running program while people wait. Each command gives up as soon as for `cli`, the
 * connection never does.
 * - `daemon`: a node's commands; waits for Redis to come back for any length of time.
 * - `blocking`: a node's wait for work; one command blocks it.
 * - `subscriber`: Pub/Sub; registry/presence.ts subscribes again after a reconnect, not ioredis.
 */
export type ConnectionRole = 'cli' | 'service' | 'daemon' | 'blocking' | 'subscriber';

/** A command that a person types must fail rather than hang: within 5 s at most. */
const CLI_TIMEOUT_MS = 4_000;

/** With their usual settings (`down-after-milliseconds` 5 s), Sentinels choose a new primary within this time, ms. */
const FAILOVER_MS = 10_000;
const FAILOVER_RETRY_MS = 250;

/** BullMQ's own back-off grows to 20 s, but a mesh should recover within seconds of its Redis. */
const MAX_RECONNECT_DELAY_MS = 2_000;

/** Creates every Redis connection of the program. `CLIENT LIST` shows `name`. */
export function connectRedis(target: RedisTarget, role: ConnectionRole, name: string): Redis {
  const options: RedisOptions = {
    ...addressOf(target),
    ...policyOf(role),
    connectionName: name,
    lazyConnect: true,
    // Replies have the same shape on old and new servers.
    protocol: 2,
  };
  const watched = target.kind === 'shared' && target.config.sentinels !== undefined;
  const Connector = sentinelConnector((address) => primaries.set(client, address));
  const client = new Redis({ ...options, ...(watched && { Connector }) });
  // Each failed command rejects separately. Without a listener, ioredis prints errors to the console.
  client.on('error', (error: unknown) => {
    troubles.set(client, error);
    // ioredis would continue in database 0.
    if (failedSelect.safeParse(error).success) client.disconnect(true);
  });
  client.on('ready', () => troubles.delete(client));
  return client;
}

const failedSelect = z.object({ command: z.object({ name: z.literal('select') }) });
const troubles = new WeakMap<Redis, unknown>();
const primaries = new WeakMap<Redis, string>();

/** The address (`host:port`) that a Sentinel last named to this connection; undefined if no Sentinel has. */
export function primaryOf(client: Redis): string | undefined {
  return primaries.get(client);
}

/**
 * The last error of a connection that is down, whose failed commands do not carry the reason. Undefined while it is up.
 */
export function troubleOf(client: Redis): unknown {
  return troubles.get(client);
}

function addressOf(target: RedisTarget): RedisOptions {
  if (target.kind === 'private') return { path: target.socket };
  const { config } = target;
  const login = {
    ...(config.username !== undefined && { username: config.username }),
    ...(config.password !== undefined && { password: config.password }),
  };
  const tls = config.tls && { tls: readTlsFiles(config.tls) };
  if (config.sentinels && config.name) {
    return {
      sentinels: config.sentinels,
      name: config.name,
      ...(config.sentinelUsername !== undefined && { sentinelUsername: config.sentinelUsername }),
      ...(config.sentinelPassword !== undefined && { sentinelPassword: config.sentinelPassword }),
      ...login,
      // A config with TLS for Redis uses TLS for the Sentinels, too.
      ...(tls && { ...tls, sentinelTLS: tls.tls, enableTLSForSentinelMode: true }),
    };
  }
  const url = new URL(config.url ?? '');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...login,
    ...((tls || url.protocol === 'rediss:') && { tls: { ...serverName(host), ...tls?.tls } }),
  };
}

function readTlsFiles(files: NonNullable<RedisConfig['tls']>): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, path]) => {
      if (!path) return [];
      try {
        return [[name, readFileSync(path)]];
      } catch (error) {
        throw new ClawmeshError('config', `redis.tls.${name}: ${path} can't be read: ${messageOf(error)}`, {
          remedy: 'check the path and its permissions',
        });
      }
    }),
  );
}

function policyOf(role: ConnectionRole): RedisOptions {
  if (role === 'cli') {
    return {
      connectTimeout: CLI_TIMEOUT_MS,
      commandTimeout: CLI_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
    };
  }
  if (role === 'service') {
    return {
      connectTimeout: CLI_TIMEOUT_MS,
      commandTimeout: CLI_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: reconnectDelay,
      reconnectOnError: afterDemotion,
    };
  }
  return {
    connectTimeout: 5_000,
    // BullMQ needs null: commands wait for the connection instead of failing.
    maxRetriesPerRequest: null,
    retryStrategy: reconnectDelay,
    reconnectOnError: afterDemotion,
    // ioredis' own resubscription leaves an unhandled promise: a close at the wrong moment would end the process.
    autoResubscribe: false,
  };
}

function reconnectDelay(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_DELAY_MS);
}

/** A demoted primary replies READONLY. Reconnecting finds the new primary; then the command is sent again. */
function afterDemotion(error: Error): 2 | false {
  return error.message.startsWith('READONLY') ? 2 : false;
}

/**
 * Opens the connection and checks that the server meets the requirements of a mesh; with `anyServer` only that it
 * replies.
 *
 * @throws ClawmeshError `redis` with one line of what to check.
 */
export async function openRedis(client: Redis, target: RedisTarget, anyServer = false): Promise<void> {
  // ioredis rejects only with "Connection is closed"; the reason arrives earlier, as an event.
  let reason: unknown;
  const remember = (error: unknown) => {
    reason ??= error;
  };
  client.on('error', remember);
  try {
    await withTimeout(client.connect(), CLI_TIMEOUT_MS);
    await (anyServer ? client.ping() : checkServer(client));
  } catch (error) {
    client.disconnect();
    if (error instanceof ClawmeshError) throw error;
    const cause = (await sentinelTrouble(error, target)) ?? reason ?? error;
    const explained = explainRedisError(cause, target, primaries.get(client));
    const { host, port, tls } = addressOf(target);
    // A TLS port would not reply to a plain connection, and with Sentinels this address is not the server's.
    const words = hungUp(explained) && host && port && !tls ? await connectionRefusal(host, port) : undefined;
    throw words ? explainRedisError(new Error(words, { cause }), target) : explained;
  } finally {
    client.off('error', remember);
  }
}

/**
 * Connects as {@link openRedis} does. If Sentinels watch Redis and there is no primary at present, it waits for the
 * next one for up to {@link FAILOVER_MS}, and reports the wait to `onWaiting`.
 *
 * @throws ClawmeshError `redis` with one line of what to check.
 */
export async function connectForCommand(
  target: RedisTarget,
  role: 'cli' | 'service',
  options: { anyServer?: boolean | undefined; onWaiting?: ((why: string) => void) | undefined },
): Promise<Redis> {
  const giveUpAt = performance.now() + FAILOVER_MS;
  for (let first = true; ; first = false) {
    const client = connectRedis(target, role, 'clawmesh:client');
    try {
      await openRedis(client, target, options.anyServer);
      return client;
    } catch (error) {
      const watched = target.kind === 'shared' && target.config.sentinels !== undefined;
      if (!watched || isLasting(error) || performance.now() > giveUpAt) throw error;
      if (first) options.onWaiting?.(messageOf(error));
      await sleep(FAILOVER_RETRY_MS);
    }
  }
}

/** Why the first Sentinel refuses us. ioredis reports only that it could reach none. */
async function sentinelTrouble(error: unknown, target: RedisTarget): Promise<unknown> {
  if (target.kind === 'private' || !messageOf(error).startsWith('All sentinels are unreachable')) return undefined;
  const { sentinels, sentinelUsername, sentinelPassword, tls } = target.config;
  const client = new Redis({
    ...sentinels?.[0],
    ...(sentinelUsername !== undefined && { username: sentinelUsername }),
    ...(sentinelPassword !== undefined && { password: sentinelPassword }),
    ...(tls && { tls: { ...serverName(sentinels?.[0]?.host), ...readTlsFiles(tls) } }),
    ...policyOf('cli'),
    lazyConnect: true,
    enableReadyCheck: false,
  });
  const heard = Promise.withResolvers<unknown>();
  client.on('error', heard.resolve);
  client.call('SENTINEL', 'MASTERS').then(() => heard.resolve(undefined), heard.resolve);
  try {
    return await heard.promise;
  } finally {
    client.disconnect();
  }
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' })), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function checkServer(client: Redis): Promise<void> {
  const [unfit] = (await ServerInfo.of(client)).unfit;
  if (unfit) throw new ClawmeshError('redis', unfit.problem, { remedy: unfit.remedy });
}
