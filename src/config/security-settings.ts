import * as z from 'zod';
import { secret } from './fields.ts';

/** A shorter key can be guessed from a single signed task. */
const MIN_KEY = 16;

const key = () =>
  secret()
    .refine(
      (value) => value === '' || value.length >= MIN_KEY,
      `expected at least ${MIN_KEY} characters: openssl rand -base64 32`,
    )
    .prefault('');

export const security = z
  .strictObject({
    signingKey: key().describe(
      'Tasks are signed with it where they are queued, and nodes run no others; empty for no signatures. Who can write to ' +
        'Redis, but has not this key, can make no Mac run an agent.',
    ),
    previousSigningKey: key().describe('Nodes still take tasks signed with this one, while the key is being changed.'),
  })
  .refine(
    (value) => value.previousSigningKey === '' || value.signingKey !== '',
    'expected `signingKey` beside `previousSigningKey`',
  )
  .prefault({});

/** The keys that a task may be signed with; the first one signs new tasks. */
export function signingKeys(config: { readonly security: z.output<typeof security> }): string[] {
  const { signingKey, previousSigningKey } = config.security;
  return [signingKey, previousSigningKey];
}
