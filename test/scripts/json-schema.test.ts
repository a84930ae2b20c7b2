import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Schema, SchemaWriter } from '../../scripts/docs/json-schema.ts';
import { SourceTypes } from '../../scripts/docs/source-types.ts';
import { emptyFolder } from '../support/folders.ts';

const SOURCE = `
/** A thing. */
export interface Thing {
  /** Its name. */
  readonly name: string;
  /** Its id, see {@link Other}. */
  readonly id: number;
  /** May be missing. */
  readonly size?: number | undefined;
  /** May be null. */
  readonly owner: string | null;
  readonly state: 'on' | 'off' | null;
  readonly flag: boolean;
  readonly parts: readonly Thing[];
  readonly tags: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<'b' | 'a', number>>;
  readonly other: Omit<Other, 'run'> | null;
  readonly step: Step;
}
interface Other {
  readonly run: () => void;
  /** A value. */
  readonly value: unknown;
}
/** A step. */
type Step = { readonly do: 'wait' } | { readonly do: 'run'; readonly command: string };
`;

describe('the JSON Schema of a type', () => {
  let types: SourceTypes;
  let writer: SchemaWriter;
  let schema: Schema;

  beforeAll(() => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src/thing.ts'), SOURCE);
    writeFileSync(join(folder, 'tsconfig.json'), '{"compilerOptions": {"strict": true}, "files": ["src/thing.ts"]}');
    types = new SourceTypes(join(folder, 'tsconfig.json'));
    writer = new SchemaWriter(types);
    schema = writer.schemaOf(types.exported(join(folder, 'src/thing.ts'), 'Thing'), 'Thing');
  });
  afterAll(() => types.close());

  it('refers to a definition, which may refer to itself', () => {
    expect(schema).toEqual({ $ref: '#/$defs/Thing' });
    expect(writer.definitions.get('Thing')).toMatchObject({
      description: 'A thing.',
      properties: { parts: { type: 'array', items: { $ref: '#/$defs/Thing' } } },
    });
  });

  it('has each member with its comment, the id first, and only those required that are always there', () => {
    const { properties = {}, required } = writer.definitions.get('Thing') ?? {};
    const names = ['id', 'name', 'size', 'owner', 'state', 'flag', 'parts', 'tags', 'counts', 'other', 'step'];
    expect(Object.keys(properties)).toEqual(names);
    expect(required).toEqual(names.filter((name) => name !== 'size'));
    expect(properties.id).toEqual({ type: 'number', description: 'Its id, see Other.' });
    expect(properties.size).toEqual({ type: 'number', description: 'May be missing.' });
  });

  it('has null, literals, maps and unions as JSON has them', () => {
    expect(writer.definitions.get('Thing')?.properties).toMatchObject({
      owner: { type: ['string', 'null'] },
      state: { enum: ['off', 'on', null] },
      flag: { type: 'boolean' },
      tags: { type: 'object', additionalProperties: { type: 'string' } },
      counts: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] },
      other: { anyOf: [{ type: 'object', properties: { value: { description: 'A value.' } } }, { type: 'null' }] },
      step: { $ref: '#/$defs/Step' },
    });
    expect(writer.definitions.get('Step')?.anyOf).toHaveLength(2);
  });

  it('reports members of a definition that nothing describes', () => {
    expect(writer.uncommented).toEqual(
      ['state', 'flag', 'parts', 'tags', 'counts', 'other', 'step'].map((name) => `Thing.${name}`),
    );
  });
});
