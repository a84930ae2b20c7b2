import type * as z from 'zod';
import { settingMeta } from './fields.ts';

/** What the schema says about one setting, without its wrappers (default, optional, nullable, transform). */
export interface Setting {
  readonly type: z.core.$ZodType;
  readonly description: string | undefined;
  readonly fallback: unknown;
  /** True: the whole value. `'password'`: only the password of a URL. */
  readonly secret: boolean | 'password';
  readonly local: boolean;
  /** Children by name, for an object. */
  readonly shape: Readonly<Record<string, z.core.$ZodType>> | undefined;
  /** The type of every child, for a map or a list. */
  readonly element: z.core.$ZodType | undefined;
}

interface Def {
  type: string;
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  out?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
  valueType?: z.core.$ZodType;
  element?: z.core.$ZodType;
  defaultValue?: unknown;
}

/** Reads one setting out of the schema. */
export function settingOf(schema: z.core.$ZodType): Setting {
  let type = schema;
  let description: string | undefined;
  let fallback: unknown;
  let secret: Setting['secret'] = false;
  let local = false;
  for (;;) {
    const def = type._zod.def as Def;
    description ??= (type as z.ZodType).description;
    fallback ??= def.defaultValue;
    const meta = settingMeta.get(type);
    secret ||= meta?.secret ?? false;
    local ||= meta?.local === true;
    const inner = innerType(def);
    if (!inner) return { type, description, fallback, secret, local, shape: def.shape, element: childType(def) };
    type = inner;
  }
}

function innerType(def: Def): z.core.$ZodType | undefined {
  if (def.innerType) return def.innerType;
  if (def.type !== 'pipe') return undefined;
  // A preprocess step has the transform first and the real type second; a transform step has the reverse order.
  const first = def.in?._zod.def as Def | undefined;
  return first?.type === 'transform' ? def.out : def.in;
}

function childType(def: Def): z.core.$ZodType | undefined {
  return def.type === 'array' ? def.element : def.valueType;
}

/** The setting at a path such as `['redis', 'tls', 'ca']`; undefined if the schema has none. */
export function settingAt(root: z.core.$ZodType, path: readonly PropertyKey[]): Setting | undefined {
  let setting = settingOf(root);
  for (const key of path) {
    const { shape } = setting;
    // An inherited property such as `valueOf` is not a setting.
    const child = shape ? (Object.hasOwn(shape, key) ? shape[String(key)] : undefined) : setting.element;
    if (!child) return undefined;
    setting = settingOf(child);
  }
  return setting;
}
