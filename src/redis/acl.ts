import { createHash } from 'node:crypto';

/** The roles of Redis users, with growing rights: read the mesh, run commands, run tasks. */
export const ACL_ROLES = ['viewer', 'operator', 'node'] as const;
export type AclRole = (typeof ACL_ROLES)[number];

/**
 * Users for Redis' own programs, with the rights that the Redis manual lists: a replica and a Sentinel in Redis, and
 * the clients and peers of a Sentinel. The last two belong in the Sentinels' own ACL file.
 *
 * Each user needs its own password. A Sentinel user in Redis can make a primary a replica of any server, and a user
 * with all rights in a Sentinel can make the Sentinel do that.
 */
export const SERVER_ROLES = ['replica', 'sentinel', 'sentinel-client', 'sentinel-peer'] as const;
export type ServerRole = (typeof SERVER_ROLES)[number];

/** Commands of every connection, and of reading the mesh. */
const READ = [
  'ping info time select client|setname client|list multi exec hget hgetall hmget hexists smembers',
  'llen lrange lindex lpos mget zcard zcount zscore zrange zrevrange xlen xrange xrevrange',
];
/** Commands that change the mesh, and those that scripts call: a script may call only what its user may. */
const WRITE = [
  'eval evalsha publish wait get exists hlen hstrlen type scard zrangebyscore zrevrangebyscore',
  'set del incr pexpire pttl rename hset hmset hdel hkeys hincrby hincrbyfloat sadd srem',
  'lpush rpush rpoplpush lrem ltrim zadd zrem zremrangebyrank zremrangebyscore zpopmin xadd xtrim',
];
const WORK = [
  'bzpopmin sscan zrandmember subscribe pubsub|numsub xgroup|create xgroup|delconsumer xreadgroup xack xpending xclaim',
];

const COMMANDS: Readonly<Record<AclRole, readonly string[]>> = {
  viewer: words(READ),
  operator: words([...READ, ...WRITE]),
  node: words([...READ, ...WRITE, ...WORK]),
};

const HELLO = '__sentinel__:hello';
const SERVERS: Readonly<Record<ServerRole, { readonly channels: string; readonly commands: readonly string[] }>> = {
  replica: { channels: '', commands: words(['psync replconf ping']) },
  sentinel: {
    channels: HELLO,
    commands: words([
      'multi exec slaveof ping subscribe publish role info config|rewrite client|setname client|kill script|kill',
    ]),
  },
  // Clients find the primary, also by Pub/Sub, and change nothing in a Sentinel.
  'sentinel-client': {
    channels: '*',
    commands: words([
      'ping hello info role client|setname client|id client|getname subscribe psubscribe unsubscribe',
      'punsubscribe sentinel|get-master-addr-by-name sentinel|master sentinel|masters sentinel|replicas sentinel|slaves',
      'sentinel|sentinels sentinel|ckquorum sentinel|myid',
    ]),
  },
  'sentinel-peer': {
    channels: HELLO,
    commands: words(['ping publish client|setname sentinel|is-master-down-by-addr']),
  },
};

function words(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(' '));
}

/** The Redis commands that a role needs; `a|b` is subcommand b of a. */
export function aclCommands(role: AclRole | ServerRole): readonly string[] {
  return isServerRole(role) ? SERVERS[role].commands : COMMANDS[role];
}

function isServerRole(role: AclRole | ServerRole): role is ServerRole {
  return role in SERVERS;
}

/**
 * The rules of a Redis user with no more rights than the role needs. A role of the mesh may use only the keys and
 * channels of this mesh. The rules follow `ACL SETUSER <name>`, or `user <name>` in an ACL file. They contain only the
 * SHA-256 of the password.
 */
export function aclRules(role: AclRole | ServerRole, bullPrefix: string, password: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  const rights = aclCommands(role).map((command) => `+${command}`);
  return ['reset', 'on', `#${hash}`, ...patterns(role, bullPrefix), '-@all', ...rights].join(' ');
}

function patterns(role: AclRole | ServerRole, bullPrefix: string): string[] {
  if (isServerRole(role)) return SERVERS[role].channels === '' ? [] : [`&${SERVERS[role].channels}`];
  // The mesh's name is literal text, so wildcards of Redis' patterns are escaped.
  const own = bullPrefix.replace(/[\\*?[\]]/g, '\\$&');
  return [`~${own}*`, `&${own}*`];
}
