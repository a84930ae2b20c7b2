import { createHash } from 'node:crypto';

/** Who uses Redis, from least to most: looks on, types commands, works. */
export const ACL_ROLES = ['viewer', 'operator', 'node'] as const;
export type AclRole = (typeof ACL_ROLES)[number];

/** What every connection does, and what reading the mesh takes. */
const READ = [
  'ping info time select client|setname multi exec exists hget hgetall hmget hexists smembers',
  'llen lrange lindex lpos zcard zscore zrange zrevrange xlen xrange xrevrange',
];
/** Scripts, which may call only what their user may, and what else commands do. */
const WRITE = [
  'eval evalsha publish wait get mget hlen hstrlen scard zcount zrangebyscore zrevrangebyscore',
  'set del incr pexpire pttl rename hset hsetnx hmset hdel hincrby hincrbyfloat sadd srem',
  'lpush rpush rpoplpush lrem ltrim zadd zrem zremrangebyrank zremrangebyscore zpopmin xadd xtrim',
];
const WORK = [
  'bzpopmin zrandmember subscribe pubsub|numsub xgroup|create xgroup|delconsumer xreadgroup xack xautoclaim',
];

const COMMANDS: Readonly<Record<AclRole, readonly string[]>> = {
  viewer: words(READ),
  operator: words([...READ, ...WRITE]),
  node: words([...READ, ...WRITE, ...WORK]),
};

function words(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(' '));
}

/** The Redis commands that a role needs; `a|b` is subcommand b of a. */
export function aclCommands(role: AclRole): readonly string[] {
  return COMMANDS[role];
}

/**
 * The rules of a Redis user with no more rights than the role needs, on the keys and channels of one mesh: what comes after
 * `ACL SETUSER <name>`, or after `user <name>` in an ACL file. Of the password there is only its SHA-256.
 */
export function aclRules(role: AclRole, bullPrefix: string, password: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  // What is a wildcard in Redis' patterns is none in the name of a mesh.
  const own = bullPrefix.replace(/[\\*?[\]]/g, '\\$&');
  const rights = COMMANDS[role].map((command) => `+${command}`).join(' ');
  return `reset on #${hash} ~${own}* &${own}* -@all ${rights}`;
}
