import * as z from 'zod';
import { integer, secret, settingMeta } from './fields.ts';

const port = integer(1, 65_535);

/** The part of the URL that would be misread or ignored; undefined if there is none. */
function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { hostname, port, pathname, username, password } = new URL(text);
  const rule = 'in a password write %23 for #, %3F for ?, %2F for / and %25 for %, or use redis.password';
  if (text.includes('#')) return `nothing may follow a #; ${rule}`;
  if (text.includes('?'))
    return `nothing may follow a ?; a database stands behind the host (redis://host:6379/3), and ${rule}`;
  if (hostname === '' || port === '0') return 'expected a host and a port, as in redis://host:6379/0';
  if (!/^\/?$|^\/(?:0|[1-9]\d{0,8})$/.test(pathname)) {
    return `expected the number of a database behind the host, as in redis://host:6379/3; ${rule}`;
  }
  try {
    decodeURIComponent(username + password);
    return undefined;
  } catch {
    return `a % is no escape; ${rule}`;
  }
}

/** The address of the shared Redis, and the durability that counts as queued. */
export const redis = z
  .strictObject({
    url: z
      .url({ protocol: /^rediss?$/, error: 'expected redis://host:port/db, or rediss:// for TLS' })
      .superRefine((text, ctx) => {
        const problem = urlProblem(text);
        if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
      })
      .optional()
      .register(settingMeta, { secret: 'password' })
      .describe('Where the shared Redis is: `redis://host:port/db`, `rediss://` for TLS.'),
    username: z.string().optional().describe('Redis ACL user, if not in the URL.'),
    password: secret().optional().describe('Redis password, if not in the URL. Best given as `${REDIS_PASSWORD}`.'),
    tls: z
      .strictObject({
        ca: z.string().optional().describe('Path of the CA certificate (PEM) that signed the server.'),
        cert: z.string().optional().describe('Path of a client certificate (PEM).'),
        key: z.string().optional().describe("Path of the client certificate's key (PEM)."),
      })
      .optional()
      .register(settingMeta, { local: true })
      .describe(
        'TLS files, relative to the config file; also for the Sentinels. `rediss://` alone uses the system’s certificate authorities.',
      ),
    sentinels: z
      .array(z.strictObject({ host: z.string(), port: port.prefault(26_379) }))
      .optional()
      .describe('Redis Sentinels, instead of `url`; needs `name`.'),
    name: z.string().optional().describe('Name of the primary that the Sentinels watch.'),
    sentinelUsername: z.string().optional().describe('User at the Sentinels, where they have an ACL of their own.'),
    sentinelPassword: secret()
      .optional()
      .describe('Password at the Sentinels, where they have one. Never that of the Sentinels’ user in Redis.'),
    durability: z
      .enum(['memory', 'replica'], { error: 'expected memory or replica' })
      .prefault('memory')
      .describe(
        'When `enqueue` says that a task is queued: once the Redis that took it has it (`memory`), or once one of its ' +
          'replicas has it too (`replica`), so that no failover of Redis can lose it.',
      ),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected letters, digits, dot, - and _')
      .prefault('clawmesh')
      .describe('First part of every key, so that several meshes can share one Redis.'),
  })
  .refine((value) => !(value.url && value.sentinels), 'expected either `url` or `sentinels`, not both')
  .refine((value) => value.url || value.sentinels, 'expected `url` or `sentinels`; leave `redis` out for a private one')
  .refine((value) => !value.sentinels || value.name, 'expected `name`, the primary that the Sentinels watch');
