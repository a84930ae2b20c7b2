import * as z from 'zod';
import { secret } from './fields.ts';

/** A shorter key can be guessed from a single signed task. */
const MIN_KEY = 16;

const key = () =>
  secret()
    .refine(
      (value) => value === '' || value.length >= MIN_KEY,
      `expected at least ${MIN_KEY} characters; generate a key with openssl rand -base64 32`,
    )
    .prefault('');

export const security = z
  .strictObject({
    signingKey: key().describe(
      'Key that signs each task when it is enqueued. Nodes then run only signed tasks, so write access to Redis ' +
        "alone can't make a Mac run an agent. Empty disables signatures.",
    ),
    previousSigningKey: key().describe('Key whose signatures nodes still accept while the key is being changed.'),
  })
  .refine(
    (value) => value.previousSigningKey === '' || value.signingKey !== '',
    'expected `signingKey` to be set as well',
  )
  .prefault({});

/** The keys that a task may be signed with; the first one signs new tasks. */
export function signingKeys(config: { readonly security: z.output<typeof security> }): string[] {
  const { signingKey, previousSigningKey } = config.security;
  return [signingKey, previousSigningKey];
}
