import * as z from 'zod';
import { MIN_SECRET_LENGTH, secret } from './fields.ts';

const key = () =>
  secret()
    .refine(
      (value) => value === '' || value.length >= MIN_SECRET_LENGTH,
      `expected at least ${MIN_SECRET_LENGTH} characters; generate a key with openssl rand -base64 32`,
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
