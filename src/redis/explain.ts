import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { Finding } from '../domain/finding.ts';
import type { RedisTarget } from './connection.ts';

interface Symptom extends Pick<Finding, 'problem' | 'remedy'> {
  readonly matches: RegExp;
  /** The problem stays until an operator fixes it, so waiting is useless. */
  readonly lasting?: true;
}

const HUNG_UP = 'it hung up at once';

/** The troubleshooting table: what Redis or the network reports, what it means, what to check. The first match wins. */
const SYMPTOMS: readonly Symptom[] = [
  {
    matches: /ECONNREFUSED|ENOENT/,
    problem: 'connection refused',
    remedy: 'check that Redis runs there, the host and port, and the firewall',
  },
  {
    matches: /ENOTFOUND|EAI_AGAIN/,
    problem: 'the host name does not resolve',
    remedy: 'check redis.url and DNS on this machine',
  },
  {
    matches: /WRONGPASS|invalid password|invalid username-password/i,
    problem: 'wrong user name or password',
    remedy: 'check redis.username and redis.password, and that this machine has the same secrets as the others',
    lasting: true,
  },
  {
    matches: /NOAUTH/,
    problem: 'it requires a password, and none is configured',
    remedy: 'set redis.password: ${REDIS_PASSWORD}',
    lasting: true,
  },
  {
    matches: /without any password configured/,
    problem: 'a password is configured, but Redis requires none',
    remedy: 'remove redis.password, or set requirepass in redis.conf',
    lasting: true,
  },
  {
    matches: /NOPERM/,
    problem: 'this user may not run the commands that clawmesh requires',
    remedy: 'check the ACL rules of the user',
    lasting: true,
  },
  {
    matches:
      /wrong version number|packet length too long|EPROTO|before secure TLS connection|disconnected before secure|SSL routines/i,
    problem: 'it does not speak TLS on this port',
    remedy: "use redis:// instead of rediss://, or the server's TLS port",
  },
  {
    matches: /CERT|certificate|self.signed|altname/i,
    problem: 'its TLS certificate is not trusted here',
    remedy: 'set redis.tls.ca to the certificate authority that signed it',
    lasting: true,
  },
  {
    matches: /DB index|SELECT is not allowed/,
    problem: 'it has no database with this number',
    remedy: 'check the end of redis.url, and `databases` in redis.conf; a Redis Cluster has only database 0',
    lasting: true,
  },
  {
    matches: /max number of clients/,
    problem: 'it accepts no more connections',
    remedy: 'raise maxclients; CLIENT LIST shows which clients use many connections',
  },
  {
    matches: /DENIED/,
    problem: 'it is in protected mode, and accepts only connections from its own machine',
    remedy: 'set a password there (requirepass or an ACL user), and redis.password here',
    lasting: true,
  },
  {
    matches: /All sentinels are unreachable/,
    problem: 'no Sentinel knows the primary',
    remedy: 'check redis.name, and SENTINEL MASTERS on one of the Sentinels',
  },
  {
    matches: /connection was lost/,
    problem: 'connection lost',
    remedy: 'check that Redis runs there, and check its log',
  },
  {
    matches: /ECONNRESET|EPIPE|socket closed|Connection is closed|ended by the other party|Protocol error/i,
    problem: HUNG_UP,
    remedy: 'if this is a TLS port, use rediss://; otherwise check the log of Redis',
  },
  {
    // A Redis without TLS reads the handshake as the start of a very long command, and waits for the rest.
    matches: /^over TLS .*(?:ETIMEDOUT|no answer)/i,
    problem: 'no answer to the TLS handshake; it probably does not speak TLS on this port',
    remedy: "use redis:// instead of rediss://, or the server's TLS port",
  },
  {
    matches: /ETIMEDOUT|timed out|no answer/i,
    problem: 'no answer in time',
    remedy: 'check the firewall between this machine and Redis, and whether Redis is overloaded',
  },
  {
    matches: /EHOSTUNREACH|ENETUNREACH/,
    problem: 'there is no route to it',
    remedy: 'check the network and VPN of this machine',
  },
  {
    matches: /READONLY/,
    problem: 'it is a read-only replica',
    remedy: 'point redis.url at the primary, or use redis.sentinels, which finds the primary',
  },
  { matches: /LOADING/, problem: 'it is still loading its data', remedy: 'try again in a moment' },
  {
    matches: /MOVED/,
    problem: 'this server of a Redis Cluster does not hold the mesh',
    remedy:
      'point redis.url at the server that has the slot of the mesh (CLUSTER KEYSLOT of its hash tag, CLUSTER NODES)',
    lasting: true,
  },
  {
    matches: /OOM/,
    problem: 'it is out of memory',
    remedy: 'raise maxmemory, or remove ended tasks',
  },
  {
    matches: /MISCONF/,
    problem: 'it refuses writes because it cannot save to its disk',
    remedy: 'check the disk and the log of the Redis machine',
  },
];

/**
 * Explains any error about Redis in one line: what is wrong, and what to check.
 *
 * @param primary the address (`host:port`) that the Sentinels named; undefined without one
 */
export function explainRedisError(error: unknown, target: RedisTarget, primary?: string): ClawmeshError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const text = `${usesTls(target) ? 'over TLS ' : ''}${code} ${messageOf(error)} ${nestedMessages(error)}`;
  const found = SYMPTOMS.find(({ matches }) => matches.test(text));
  const problem = found?.problem ?? messageOf(error);
  const isItsOwn = UNREACHABLE.test(text) && !/sentinels are unreachable/.test(text);
  const named = isNamed(target, primary) && isItsOwn ? primary : undefined;
  const where = named === undefined ? describeTarget(target) : describeNamed(named, target);
  const remedy = named === undefined ? found?.remedy : `${NAMED_REMEDY}; ${found?.remedy}`;
  return new ClawmeshError('redis', `Redis at ${where}: ${problem}`, {
    ...(remedy !== undefined && { remedy }),
    cause: error,
  });
}

/** Errors that show an address to be unreachable or wrong. */
const UNREACHABLE = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|timed out|no answer|EHOSTUNREACH|ENETUNREACH/i;
const NAMED_REMEDY =
  'if this machine cannot reach that address, let Redis and the Sentinels announce another one ' +
  '(replica-announce-ip, sentinel announce-ip)';

function isNamed(target: RedisTarget, primary: string | undefined): boolean {
  return primary !== undefined && target.kind === 'shared' && target.config.sentinels !== undefined;
}

function describeNamed(primary: string, target: RedisTarget): string {
  const { sentinels = [], name } = target.kind === 'shared' ? target.config : {};
  const colon = primary.lastIndexOf(':');
  const address = hostAndPort(primary.slice(0, colon), primary.slice(colon + 1));
  return `${address}, which the Sentinels ${sentinels.map(({ host, port }) => hostAndPort(host, port)).join(', ')} name as ${name}`;
}

function hostAndPort(host: string, port: number | string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether the server hung up without a known reason. */
export function hungUp(explained: ClawmeshError): boolean {
  return explained.message.endsWith(HUNG_UP);
}

/** Whether a retry is useless. */
export function isLasting(error: unknown): boolean {
  return SYMPTOMS.some(({ lasting, problem }) => lasting && messageOf(error).endsWith(`: ${problem}`));
}

/** What ioredis reports for a command on a lost connection; the reason arrives earlier, as an event. */
const CONNECTION_GONE = /MaxRetriesPerRequestError|Connection is closed/;

/**
 * The same for a command on an established connection. A lost connection never means a wrong config.
 *
 * @param reason the last error of the connection since it was established, if any
 */
export function explainCommandError(
  error: unknown,
  reason: unknown,
  target: RedisTarget,
  primary?: string,
): ClawmeshError {
  const gone = error instanceof Error && CONNECTION_GONE.test(`${error.name} ${error.message}`);
  if (!gone) return explainRedisError(error, target, primary);
  const explained = explainRedisError(reason ?? error, target, primary);
  if (reason !== undefined && !hungUp(explained)) return explained;
  return explainRedisError(new Error('the connection was lost', { cause: error }), target);
}

/**
 * Whether the problem may pass without any change by an operator: a restart, a failover, a network outage. An invalid
 * command or a wrong password does not pass.
 */
export function passes(error: unknown, explained: ClawmeshError): boolean {
  const known = SYMPTOMS.some(({ problem }) => explained.message.endsWith(`: ${problem}`));
  return isRedisError(error) && known && !isLasting(explained);
}

/** ioredis and Node.js wrap the reason: in an AggregateError of addresses, or in the last of many retries. */
function nestedMessages(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((inner) => `${messageOf(inner)}`).join(' ');
  for (const key of ['lastNodeError', 'previousErrors', 'cause'] as const) {
    const inner: unknown =
      error instanceof Error && key in error ? (error as unknown as Record<string, unknown>)[key] : undefined;
    if (inner) return Array.isArray(inner) ? inner.map(messageOf).join(' ') : messageOf(inner);
  }
  return '';
}

function usesTls(target: RedisTarget): boolean {
  return target.kind === 'shared' && Boolean(target.config.tls ?? target.config.url?.startsWith('rediss:'));
}

/** Host and port without user and password. */
export function describeTarget(target: RedisTarget): string {
  if (target.kind === 'private') return target.socket;
  const { url, sentinels, name } = target.config;
  if (sentinels) return `${name} (Sentinels ${sentinels.map(({ host, port }) => hostAndPort(host, port)).join(', ')})`;
  try {
    const { hostname, port } = new URL(url ?? '');
    return `${hostname}:${port || 6379}`;
  } catch {
    return 'redis.url';
  }
}

/** Whether this error comes from Redis or from the connection to it. */
export function isRedisError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    /ReplyError|MaxRetriesPerRequestError/.test(error.name) ||
    /Connection is closed|Command timed out/.test(error.message)
  );
}
