import { createHash } from 'node:crypto';

/** Who uses Redis, from least to most: looks on, types commands, works. */
export const ACL_ROLES = ['viewer', 'operator', 'node'] as const;
export type AclRole = (typeof ACL_ROLES)[number];

/**
 * Users that Redis' own programs have, each with what Redis' manual says it needs: a replica and a Sentinel in Redis; in the
 * Sentinels, whose ACL file is another, the clients that ask them for the primary, and the Sentinels among themselves.
 *
 * A password of one must not be that of another: who may be a Sentinel in Redis can make a primary a replica of anything,
 * and who may do all in a Sentinel can make it do that.
 */
export const SERVER_ROLES = ['replica', 'sentinel', 'sentinel-client', 'sentinel-peer'] as const;
export type ServerRole = (typeof SERVER_ROLES)[number];

/** What every connection does, and what reading the mesh takes. */
const READ = [
  'ping info time select client|setname client|list multi exec hget hgetall hmget hexists smembers',
  'llen lrange lindex lpos mget zcard zcount zscore zrange zrevrange xlen xrange xrevrange',
];
/** Scripts, which may call only what their user may, and what else commands do. */
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
  // They learn, also by Pub/Sub, who is the primary, and tell a Sentinel nothing.
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
 * The rules of a Redis user with no more rights than the role needs; a role of the mesh is held to the keys and channels of
 * this one mesh. What comes after `ACL SETUSER <name>`, or after `user <name>` in an ACL file. Of the password there is only
 * its SHA-256.
 */
export function aclRules(role: AclRole | ServerRole, bullPrefix: string, password: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  const rights = aclCommands(role).map((command) => `+${command}`);
  return ['reset', 'on', `#${hash}`, ...patterns(role, bullPrefix), '-@all', ...rights].join(' ');
}

function patterns(role: AclRole | ServerRole, bullPrefix: string): string[] {
  if (isServerRole(role)) return SERVERS[role].channels === '' ? [] : [`&${SERVERS[role].channels}`];
  // What is a wildcard in Redis' patterns is none in the name of a mesh.
  const own = bullPrefix.replace(/[\\*?[\]]/g, '\\$&');
  return [`~${own}*`, `&${own}*`];
}
