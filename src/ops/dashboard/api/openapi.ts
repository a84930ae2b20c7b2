import { readFileSync } from 'node:fs';
import type { FastifyInstance, RouteOptions } from 'fastify';
import * as z from 'zod';
import { describedBy } from './zod-routes.ts';

type Json = Record<string, unknown>;

/** The published schemas of the CLI's documents, which the routes return. They are part of the package. */
const DOCUMENTS = new URL('../../../../docs/reference/schema/json-output.json', import.meta.url);
const PREFIX = '/api/v1';

const problem = {
  type: 'object',
  properties: {
    error: { type: 'string', description: 'What is wrong.' },
    fix: { type: ['string', 'null'], description: 'What to do.' },
  },
  required: ['error'],
};

/**
 * Collects the routes that this server gets from now on. The returned function describes them as an OpenAPI 3.1
 * document, made from the types that check their input and from the published schemas of the CLI's documents.
 */
export function collectRoutes(app: FastifyInstance): () => Json {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  let document: Json | undefined;
  return () => {
    document ??= describe(routes.filter(({ method }) => method !== 'HEAD'));
    return document;
  };
}

function describe(routes: readonly RouteOptions[]): Json {
  const { $defs } = JSON.parse(readFileSync(DOCUMENTS, 'utf8')) as { $defs: Json };
  const schemas: Json = { Problem: problem };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    for (const method of [route.method].flat()) {
      paths[path] = { ...paths[path], [method.toLowerCase()]: operation(route, method, schemas) };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'clawmesh',
      version: '1',
      description: 'The dashboard of a mesh for programs. Each route does the same as a command of clawmesh.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'dashboard.token, or one of dashboard.tokens' },
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'clawmesh-signature',
          description: 't=<Unix time, s>,v1=<HMAC-SHA256 of "<t>.<body>" with the secret of the hook, in hex>',
        },
        githubSignature: {
          type: 'apiKey',
          in: 'header',
          name: 'x-hub-signature-256',
          description: 'sha256=<HMAC-SHA256 of the body with the secret of the hook, in hex>',
        },
      },
      schemas: { ...schemas, ...withReferenced(schemasOf(routes), $defs) },
    },
  };
}

function operation({ url, schema, config }: RouteOptions, method: string, schemas: Json): Json {
  const { document, summary, success = 200, signed } = config ?? {};
  const body = signed
    ? { type: 'object', description: 'Any JSON; the hook names the fields that it uses.' }
    : schema?.body;
  const parameters = [
    ...parametersOf('path', schema?.params ?? paramsOf(url), schemas),
    ...parametersOf('query', schema?.querystring, schemas),
    ...parametersOf('header', schema?.headers, schemas),
  ];
  const reply = document === undefined ? {} : { $ref: reference(schemaName(document)) };
  const type = url.endsWith('/live') ? 'text/event-stream' : 'application/json';
  return {
    operationId: operationId(method, url),
    summary: summary ?? `As clawmesh ${document} --json`,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: requestBody(body, schemas) }),
    responses: {
      [success]: { description: 'Done', content: { [type]: { schema: reply } } },
      default: { description: 'Refused', content: { 'application/json': { schema: { $ref: reference('Problem') } } } },
    },
    ...(signed && { security: [{ signature: [] }, { githubSignature: [] }] }),
  };
}

function requestBody(body: unknown, schemas: Json): Json {
  const required = !(body instanceof z.ZodType) || !body.isOptional();
  return { required, content: { 'application/json': { schema: jsonSchema(body, schemas) } } };
}

function parametersOf(place: string, schema: unknown, schemas: Json): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, schemas) as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, type]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: type,
  }));
}

/** The parameters in the path of a route that does not check them with a type. */
function paramsOf(url: string): unknown {
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name]) => [name, z.string()]);
  return z.object(Object.fromEntries(names));
}

/** The JSON Schema of a zod type. Adds types with a name to `schemas`. */
function jsonSchema(type: unknown, schemas: Json): Json {
  if (!(type instanceof z.ZodType)) return type as Json;
  const { $schema: _, ...schema } = z.toJSONSchema(type, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: found }) => {
      const named = describedBy.get(zodSchema);
      if (!named) return;
      for (const key of Object.keys(found)) delete found[key as keyof typeof found];
      found.$ref = reference(named.name);
      schemas[named.name] ??= jsonSchema(named.schema, schemas);
    },
  });
  return schema;
}

/** The names of the schemas of all documents that the routes return. */
function schemasOf(routes: readonly RouteOptions[]): string[] {
  return routes.flatMap(({ config }) => (config?.document === undefined ? [] : [schemaName(config.document)]));
}

function schemaName(document: string): string {
  return document.replaceAll(/[ -]+/g, '-');
}

/** These schemas and all that they refer to. */
function withReferenced(names: readonly string[], $defs: Json): Json {
  const found: Json = {};
  const add = (name: string) => {
    if (name in found) return;
    const text = JSON.stringify($defs[name]);
    found[name] = JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/'));
    for (const [, other = ''] of text.matchAll(/"#\/\$defs\/([^"]+)"/g)) add(other);
  };
  for (const name of names) add(name);
  return found;
}

function reference(name: string): string {
  return `#/components/schemas/${name}`;
}

/** `POST /api/v1/tasks/:id/cancel` → `postTasksIdCancel`. */
function operationId(method: string, url: string): string {
  const words = url.slice(PREFIX.length).split(/\W+/).filter(Boolean);
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
