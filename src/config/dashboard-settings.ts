import * as z from 'zod';
import { integer, longSecret, secret } from './fields.ts';

/** The dashboard, and who may use it. */
export const dashboard = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .prefault('127.0.0.1')
      .describe(
        'Address that the dashboard listens on. Any address that other machines can reach requires `dashboard.token`.',
      ),
    port: integer(1, 65_535).prefault(7420).describe('Port that the dashboard listens on.'),
    token: secret()
      .prefault('')
      .describe(
        'Token to log in with. If it is empty, clawmesh generates one per user and machine: `dashboard.token` in the ' +
          'folder of the mesh under `~/.clawmesh`.',
      ),
    tokens: z
      .array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'expected letters, digits, - and _, at most 63')
            .describe('Who has this token; the log names it with each change.'),
          token: longSecret('openssl rand -base64 24')
            .refine((value) => /^[\x21-\x7e]*$/.test(value), 'expected ASCII without spaces, to fit into a header')
            .describe('The token.'),
          role: z
            .enum(['viewer', 'operator'], { error: 'expected viewer or operator' })
            .describe('`viewer` only reads; `operator` may also change the mesh.'),
        }),
        { error: 'expected a list such as [{name: wall, token: "${WALL_TOKEN}", role: viewer}]' },
      )
      .max(100, 'expected at most 100 tokens')
      .refine((list) => isDistinct(list.map(({ name }) => name)), 'expected each name only once')
      .refine((list) => isDistinct(list.map(({ token }) => token)), 'expected a different token for each name')
      .prefault([])
      .describe('Further tokens, for people and programs. `dashboard.token` is the token of an operator.'),
    readOnly: z
      .boolean('expected true or false')
      .prefault(false)
      .describe('Whether the dashboard only shows the mesh and refuses every change.'),
  })
  .refine(({ token, tokens }) => !tokens.some((other) => other.token === token), {
    path: ['tokens'],
    error: 'expected tokens that differ from `dashboard.token`',
  })
  .prefault({});

function isDistinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}
