import type { Type, Symbol as TypeSymbol } from 'typescript/unstable/sync';
import { TypeFlags } from 'typescript/unstable/sync';
import type { SourceTypes } from './source-types.ts';

/** The part of JSON Schema (2020-12) that our types require. */
export interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
}

type Literal = string | number | boolean | null;

/**
 * JSON Schemas of TypeScript types. Named types of ours that are objects, or unions of objects, become definitions of
 * their own; everything else is written out in place. The comments of types and members become descriptions.
 */
export class SchemaWriter {
  /** Definitions by name, as far as the written schemas refer to them. */
  readonly definitions = new Map<string, Schema>();
  /** Members without a comment, which a reader could not understand. */
  readonly uncommented: string[] = [];
  readonly #types: SourceTypes;

  constructor(types: SourceTypes) {
    this.#types = types;
  }

  /** `where`: the place of the type, for {@link uncommented}; `isNamed`: readers see it under a name of its own. */
  schemaOf(type: Type, where: string, options: { isNamed?: boolean } = {}): Schema {
    const symbol = this.#nameOf(type);
    if (!symbol) return this.#written(type, where, options);
    const { name } = symbol;
    if (!this.definitions.has(name)) {
      // First, so that a type which refers to itself ends here.
      this.definitions.set(name, {});
      this.definitions.set(name, { ...this.#described(symbol), ...this.#written(type, name, { isNamed: true }) });
    }
    return { $ref: `#/$defs/${name}` };
  }

  /** The symbol of a type that becomes a definition of its own. */
  #nameOf(type: Type): TypeSymbol | undefined {
    const isStructure =
      (type.isObjectType() && !this.#types.checker.isArrayType(type)) ||
      (type.isUnionType() && type.getTypes().every((part) => part.isObjectType()));
    if (!isStructure) return undefined;
    const symbol = type.getAliasSymbol() ?? type.getSymbol();
    return symbol && !symbol.name.startsWith('__') && this.#types.isOurs(symbol) ? symbol : undefined;
  }

  #described(symbol: TypeSymbol): Schema {
    const description = this.#types.comment(symbol);
    return description === undefined ? {} : { description };
  }

  #written(type: Type, where: string, options: { isNamed?: boolean } = {}): Schema {
    if (type.flags & TypeFlags.AnyOrUnknown) return {};
    if (type.flags & TypeFlags.String) return { type: 'string' };
    if (type.flags & TypeFlags.Number) return { type: 'number' };
    if (type.isUnionType()) return this.#union(type.getTypes(), where);
    if (type.flags & (TypeFlags.Literal | TypeFlags.Null)) return this.#union([type], where);
    if (this.#types.checker.isArrayType(type) && type.isTypeReference()) {
      const [item] = this.#types.checker.getTypeArguments(type);
      return { type: 'array', ...(item && { items: this.schemaOf(item, `${where}[]`) }) };
    }
    if (type.isObjectType()) return this.#object(type, where, options);
    throw new Error(`${where}: no JSON Schema for ${this.#types.checker.typeToString(type)}`);
  }

  #object(type: Type, where: string, { isNamed = false }: { isNamed?: boolean }): Schema {
    const members = this.#types.members(type);
    // The comment of a member describes the small objects that are written out in it, too.
    if (isNamed)
      this.uncommented.push(
        ...members.filter((member) => !this.#types.comment(member)).map(({ name }) => `${where}.${name}`),
      );
    const schemas = members.map((member) => [member.name, this.#member(member, `${where}.${member.name}`)] as const);
    const required = members.filter((member) => !this.#mayBeMissing(member)).map(({ name }) => name);
    const [index] = this.#types.checker.getIndexInfosOfType(type);
    return {
      type: 'object',
      ...(schemas.length > 0 && { properties: Object.fromEntries(schemas) }),
      ...(required.length > 0 && { required }),
      ...(index && { additionalProperties: this.schemaOf(index.valueType, `${where}.*`) }),
    };
  }

  #member(member: TypeSymbol, where: string): Schema {
    return { ...this.#described(member), ...this.schemaOf(this.#types.typeOf(member), where) };
  }

  /** JSON leaves out members that are undefined. */
  #mayBeMissing(member: TypeSymbol): boolean {
    const type = this.#types.typeOf(member);
    const parts = type.isUnionType() ? type.getTypes() : [type];
    return this.#types.isOptional(member) || parts.some((part) => part.flags & TypeFlags.Undefined);
  }

  #union(types: readonly Type[], where: string): Schema {
    const parts = types.filter((part) => !(part.flags & TypeFlags.Undefined));
    const literals = parts.flatMap((part) => literalOf(part));
    const others = parts.filter((part) => literalOf(part).length === 0).map((part) => this.schemaOf(part, where));
    const schemas = [...(literals.length > 0 ? [oneOf(literals)] : []), ...others];
    const [only, ...more] = schemas;
    if (only && more.length === 0) return only;
    const names = schemas.map(({ type, ...rest }) => (Object.keys(rest).length === 0 ? type : undefined));
    // `["string", "null"]`, as people write it.
    return names.every((name) => typeof name === 'string')
      ? { type: [...names].reverse() }
      : { anyOf: schemas.reverse() };
  }
}

function literalOf(type: Type): Literal[] {
  if (type.flags & TypeFlags.Null) return [null];
  return type.isLiteralType() ? [type.value as Literal] : [];
}

/** A schema for these values. Names stand in a fixed order: the compiler's depends on which file it reads first. */
function oneOf(literals: readonly Literal[]): Schema {
  const isBoolean = literals.includes(true) && literals.includes(false);
  const values = literals.filter((value) => !isBoolean || typeof value !== 'boolean');
  if (values.length === 0) return { type: 'boolean' };
  if (isBoolean) return { anyOf: [{ type: 'boolean' }, oneOf(values)] };
  if (values.length === 1 && values[0] === null) return { type: 'null' };
  return { enum: values.sort((a, b) => Number(a === null) - Number(b === null) || (String(a) < String(b) ? -1 : 1)) };
}
