import * as z from 'zod';
import { configSchema } from '../../src/config/schema.ts';

export const CONFIG_SCHEMA_FILE = 'schema/config.json';

type Json = Record<string, unknown>;

/** A reference to an environment variable: it may stand for a part of any value. */
const REFERENCE = '\\$\\{';

/**
 * The JSON Schema of the config, for editors: completion, help and wrong keys. It accepts `${VAR}` for any value. What
 * depends on more than one setting, and units, only `clawmesh config check` knows.
 */
export function configSchemaText(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' });
  const { $schema, ...rest } = forEditors(schema) as Json;
  const head = { $schema, $id: `https://unpkg.com/clawmesh/docs/reference/${CONFIG_SCHEMA_FILE}` };
  return `${JSON.stringify({ ...head, title: 'clawmesh config', ...rest }, null, 2)}\n`;
}

/** Widens each value to what the config accepts in YAML. */
function forEditors(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forEditors);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { properties, ...own } = schema as Json;
  const node: Json = Object.fromEntries(Object.entries(own).map(([key, value]) => [key, forEditors(value)]));
  if (typeof properties === 'object' && properties !== null) {
    node.properties = Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, forEditors(value)]));
  }
  const { type, pattern, format: _format, description, default: fallback, ...limits } = node;
  const about = {
    ...(description !== undefined && { description }),
    ...(fallback !== undefined && { default: fallback }),
  };
  if (Array.isArray(node.enum))
    return { ...about, anyOf: [{ enum: node.enum }, { type: 'string', pattern: REFERENCE }] };
  if (type === 'number' || type === 'integer' || type === 'boolean') {
    return {
      ...about,
      anyOf: [
        { type, ...limits },
        { type: 'string', pattern: `^\\d+$|${REFERENCE}` },
      ],
    };
  }
  // Names and versions may look like numbers; clawmesh keeps them as written.
  if (type === 'string') {
    const text = typeof pattern === 'string' ? { pattern: `${pattern}|${REFERENCE}` } : {};
    return { ...about, type: ['string', 'number', 'boolean'], ...text };
  }
  return node;
}
