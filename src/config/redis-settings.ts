import * as z from 'zod';
import { integer, secret, settingMeta } from './fields.ts';

const port = integer(1, 65_535);

/** The part of the URL that would be misread or ignored; undefined if there is none. */
function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { hostname, port, pathname, username, password } = new URL(text);
  const rule = 'in a password, write %23 for #, %3F for ?, %2F for / and %25 for %, or use redis.password';
  if (text.includes('#')) return `unexpected #; ${rule}`;
  if (text.includes('?'))
    return `unexpected ?; the database number goes after the host (redis://host:6379/3), and ${rule}`;
  if (hostname === '' || port === '0') return 'expected a host and a port, as in redis://host:6379/0';
  if (!/^\/?$|^\/(?:0|[1-9]\d{0,8})$/.test(pathname)) {
    return `expected a database number after the host, as in redis://host:6379/3; ${rule}`;
  }
  try {
    decodeURIComponent(username + password);
    return undefined;
  } catch {
    return `a % does not start a valid escape; ${rule}`;
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
      .describe('Address of the shared Redis: `redis://host:port/db`, or `rediss://host:port/db` for TLS.'),
    username: z.string().optional().describe('Redis ACL user, if the URL does not contain it.'),
    password: secret()
      .optional()
      .describe('Redis password, if the URL does not contain it. Take it from the environment: `${REDIS_PASSWORD}`.'),
    tls: z
      .strictObject({
        ca: z.string().optional().describe('Path of the CA certificate (PEM) that signed the server.'),
        cert: z.string().optional().describe('Path of a client certificate (PEM).'),
        key: z.string().optional().describe("Path of the client certificate's key (PEM)."),
      })
      .optional()
      .register(settingMeta, { local: true })
      .describe(
        'TLS files for Redis and for the Sentinels; paths are relative to the config file. Without them, `rediss://` ' +
          'trusts the certificate authorities of the system.',
      ),
    sentinels: z
      .array(
        z.strictObject({
          host: z.string().describe('Host name or IP address of a Sentinel.'),
          port: port.prefault(26_379).describe('Port of the Sentinel.'),
        }),
      )
      .optional()
      .describe('Redis Sentinels, instead of `url`. Requires `name`.'),
    name: z.string().optional().describe('Name of the primary that the Sentinels watch.'),
    sentinelUsername: z.string().optional().describe('ACL user for the Sentinels, if they have their own ACL.'),
    sentinelPassword: secret()
      .optional()
      .describe(
        'Password for the Sentinels, if they require one. It is not the password that the Sentinels use to log in to ' +
          'Redis.',
      ),
    durability: z
      .enum(['memory', 'replica'], { error: 'expected memory or replica' })
      .prefault('memory')
      .describe(
        'When `enqueue` reports a task as queued. `memory`: as soon as the Redis primary has it in memory. `replica`: ' +
          'only once a replica has it too, so that the task survives the loss of the primary. `replica` needs at least ' +
          'one replica.',
      ),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected letters, digits, dot, - and _')
      .prefault('clawmesh')
      .describe(
        'First part of every Redis key, before the name of the mesh. Change it to separate meshes of the same name in ' +
          'one Redis.',
      ),
  })
  .refine((value) => !(value.url && value.sentinels), 'expected either `url` or `sentinels`, not both')
  .refine(
    (value) => value.url || value.sentinels,
    'expected `url` or `sentinels`; leave `redis` out to use a private Redis',
  )
  .refine((value) => !value.sentinels || value.name, 'expected `name`, the primary that the Sentinels watch');
