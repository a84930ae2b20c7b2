import { type Schema, SchemaWriter } from './json-schema.ts';
import { anchor, page, table } from './markdown.ts';
import type { SourceTypes } from './source-types.ts';

const SOURCE = 'src/cli/json-output.ts';
export const SCHEMA_FILE = 'schema/json-output.json';

/** What one command prints. */
interface Printed {
  readonly command: string;
  readonly schema: Schema;
}

/** The page about the output of `--json`, and its JSON Schema as text. `commands`: all commands, without options. */
export function jsonPages(types: SourceTypes, commands: readonly string[]): { page: string; schema: string } {
  const writer = new SchemaWriter(types);
  const printedBy = (name: string): Printed[] =>
    types.members(types.exported(SOURCE, name)).map((member) => ({
      command: member.name,
      schema: described(types.comment(member), writer.schemaOf(types.typeOf(member), member.name, { isNamed: true })),
    }));
  const [documents, streams] = [printedBy('JsonOutput'), printedBy('JsonLines')];
  if (writer.uncommented.length > 0) throw new Error(`fields without a comment: ${writer.uncommented.join(', ')}`);
  const known = documents.map(({ command }) => command.replace(/ --.*/, ''));
  const unknown = known.filter((command) => !commands.includes(command));
  if (unknown.length > 0) throw new Error(`${SOURCE} has commands that do not exist: ${unknown.join(', ')}`);
  const definitions = [...writer.definitions].sort(([a], [b]) => (a < b ? -1 : 1));
  const silent = commands.filter((command) => !known.includes(command));
  return {
    page: page('JSON output', SOURCE, [
      ...intro(silent),
      ...documentLines(documents),
      '## Streams',
      '',
      'These commands print one document per line, for as long as they run.',
      '',
      ...table(
        ['command', 'each line'],
        streams.map(({ command, schema }) => [`\`${command}\``, typeText(schema)]),
      ),
      '',
      '## Types',
      '',
      ...definitions.flatMap(([name, schema]) => [`### ${name}`, '', ...shapeLines(schema)]),
    ]),
    schema: schemaText(documents, definitions),
  };
}

function described(description: string | undefined, schema: Schema): Schema {
  return description === undefined ? schema : { description, ...schema };
}

function intro(silent: readonly string[]): string[] {
  return [
    'With `--json` a command prints one JSON document on stdout, and nothing else there. Names and types stay; fields may be',
    'added.',
    '',
    'If the command fails, the last line of stderr is JSON, and there is no document on stdout:',
    '`{"error":{"code","problem","remedy","exitCode"}}`. The [codes and exit codes](errors.md) have a page of their own. A',
    'command that steers several tasks prints its document, too, if it fails for some of them.',
    '',
    'Lists and `show` also take `-o jsonl`, which prints a line for each entry, and `--fields`, which selects fields of an',
    'entry: `--fields id,error.kind,history[].event`. Fields that an entry does not have are null.',
    '',
    `[${SCHEMA_FILE}](${SCHEMA_FILE}) has a JSON Schema (2020-12) for each document, such as \`#/$defs/task-list\`, and`,
    'for each type. Times are ISO 8601 in UTC; names that end in `Ms` are milliseconds.',
    '',
    `These commands print no JSON: ${silent.map((command) => `\`${command}\``).join(', ')}.`,
    '',
    '## Commands',
    '',
  ];
}

/** A section per document; commands that print the same type share one. */
function documentLines(documents: readonly Printed[]): string[] {
  const sections = Map.groupBy(documents, ({ command, schema }) => schema.$ref ?? command);
  return [...sections.values()].flatMap((section) => {
    const heading = `### ${section.map(({ command }) => command).join(', ')}`;
    const schema = section[0]?.schema ?? {};
    return [heading, '', ...(schema.$ref ? [`A document of type ${typeText(schema)}.`, ''] : shapeLines(schema))];
  });
}

/** The description of a shape, and a table of its fields. */
function shapeLines(schema: Schema): string[] {
  const described = schema.description === undefined ? [] : [schema.description, ''];
  if (schema.anyOf) {
    return [...described, 'One of:', '', ...schema.anyOf.map((part) => `- \`${memberText(part)}\``), ''];
  }
  const rows = fieldRows(schema, '');
  return [...described, ...(rows.length > 0 ? [...table(['field', 'type', 'meaning'], rows), ''] : [])];
}

/** A small object in one line, such as `{do: "remove", file: string}`. */
function memberText({ properties = {}, required = [] }: Schema): string {
  const members = Object.entries(properties).map(([name, schema]) => {
    const type = schema.enum ? schema.enum.map((value) => JSON.stringify(value)).join(' | ') : typeText(schema);
    return `${name}${required.includes(name) ? '' : '?'}: ${type}`;
  });
  return `{${members.join(', ')}}`;
}

function fieldRows({ properties = {}, required = [] }: Schema, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const path = `${prefix}${name}`;
    const optional = required.includes(name) ? '' : ', optional';
    const row = [`\`${path}\``, typeText(schema) + optional, schema.description ?? ''];
    return [
      row,
      ...fieldRows(schema, `${path}.`),
      ...fieldRows(schema.items ?? {}, `${path}[].`),
      ...fieldRows(schema.additionalProperties ?? {}, `${path}.<name>.`),
    ];
  });
}

function typeText(schema: Schema): string {
  if (schema.$ref) {
    const name = schema.$ref.replace('#/$defs/', '');
    return `[${name}](#${anchor(name)})`;
  }
  if (schema.enum) return schema.enum.map((value) => (value === null ? 'null' : `\`${value}\``)).join(', ');
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' or ');
  if (schema.type === 'array') return `${typeText(schema.items ?? {})}[]`;
  if (schema.type === 'object' && schema.additionalProperties) {
    const { properties } = schema.additionalProperties;
    return properties ? 'map of objects' : `map of ${typeText(schema.additionalProperties)}`;
  }
  return [schema.type ?? 'any'].flat().join(' or ');
}

function schemaText(documents: readonly Printed[], definitions: readonly (readonly [string, Schema])[]): string {
  const byCommand = documents.map(({ command, schema }) => [schemaName(command), schema] as const);
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The documents that clawmesh prints with --json, and their types',
    $defs: Object.fromEntries([...byCommand, ...definitions]),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** `task list --usage` → `task-list-usage`. */
export function schemaName(command: string): string {
  return command.replace(/[ -]+/g, '-');
}
