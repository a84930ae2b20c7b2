import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import * as z from 'zod';
import { parseDuration } from '../../../domain/units.ts';

/** Handlers get the parsed input of their route's schemas, which are zod types. */
interface ZodTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
  readonly serializer: unknown;
}

/** A server whose routes declare their input as zod types: `schema: { params, querystring, body }`. */
export type ZodServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse<IncomingMessage>,
  FastifyBaseLogger,
  ZodTypes
>;

/** Makes a server check the input of its routes with zod. A request that does not fit fails with a `ZodError`. */
export function withZod(app: FastifyInstance): ZodServer {
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (data: unknown) => {
    const { error, data: value } = schema.safeParse(data);
    return error ? { error } : { value };
  });
  return app.withTypeProvider<ZodTypes>();
}

/** What describes a type in the OpenAPI document instead of the type itself, which checks less. */
export const describedBy = new WeakMap<z.core.$ZodType, { readonly name: string; readonly schema: z.ZodType }>();

/** One id or name in a path. Circuits have the longest: `agent:` and a name of 128 characters. */
const name = z.string().min(1).max(200);
export const byId = z.object({ id: name });
export const byName = z.object({ name });

/** A duration in a query, as on the command line: `30m`; its value is ms. */
export const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'expected a duration such as 30s, 10m, 2h or 7d' });
  return z.NEVER;
});

/** The most entries to return. */
export const limit = (standard: number, most: number) => z.coerce.number().int().min(1).max(most).prefault(standard);

/** Comma-separated values. */
export const listOf = <T extends z.ZodType<unknown, string>>(item: T) =>
  z
    .string()
    .transform((text) => text.split(',').filter((part) => part !== ''))
    .pipe(z.array(item));
