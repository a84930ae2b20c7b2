import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command, Option } from 'commander';
import type { z } from 'zod';
import { visibleCommands } from '../src/cli/completion/values.ts';
import { createProgram } from '../src/cli/program.ts';
import { configSchema } from '../src/config/schema.ts';
import { type Setting, settingOf } from '../src/config/tree.ts';
import { CIRCUIT_STATES, CIRCUIT_TRANSITIONS } from '../src/domain/circuit-state.ts';
import { CLAIM_STATES, CLAIM_TRANSITIONS } from '../src/domain/claim-state.ts';
import { DELIVERY_STATES, DELIVERY_TRANSITIONS } from '../src/domain/delivery-state.ts';
import { NODE_MEANINGS, NODE_TRANSITIONS } from '../src/domain/node-state.ts';
import { SCHEDULE_STATES, SCHEDULE_TRANSITIONS } from '../src/domain/schedule-state.ts';
import { SESSION_STATES, SESSION_TRANSITIONS } from '../src/domain/session-state.ts';
import { QUEUE_STATES, TASK_TRANSITIONS } from '../src/domain/task-state.ts';
import { CONFIG_SCHEMA_FILE, configSchemaText } from './docs/config-schema.ts';
import { errorsPage, exitCodeLines } from './docs/errors-page.ts';
import { jsonPages, SCHEMA_FILE } from './docs/json-page.ts';
import { environmentPage, filesPage } from './docs/machine-pages.ts';
import { manPages } from './docs/man-pages.ts';
import { page, table } from './docs/markdown.ts';
import { mcpPage } from './docs/mcp-page.ts';
import { eventsPage, metricsPage } from './docs/observability-pages.ts';
import { redisKeysPage } from './docs/redis-keys-page.ts';
import { SourceTypes } from './docs/source-types.ts';

// Writes the reference pages from the code they describe; with --check only says whether they are true.
const check = process.argv.includes('--check');
const ARCHITECTURE = 'docs/explanation/architecture.md';
const types = new SourceTypes('scripts/docs/tsconfig.json');
const json = jsonPages(types, await commandNames());
const man = manPages(await createProgram());
const pages: Record<string, string> = {
  [ARCHITECTURE]: withPart(ARCHITECTURE, 'task states', taskDiagram()),
  'docs/reference/cli.md': await cliPage(),
  'docs/reference/config.md': configPage(),
  'docs/reference/states.md': statesPage(),
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/environment.md': environmentPage(),
  'docs/reference/files-and-ports.md': filesPage(),
  'docs/reference/redis-keys.md': redisKeysPage(),
  'docs/reference/events.md': eventsPage(),
  'docs/reference/metrics.md': metricsPage(),
  'docs/reference/mcp.md': mcpPage(),
  'docs/reference/json.md': json.page,
  [`docs/reference/${SCHEMA_FILE}`]: json.schema,
  [`docs/reference/${CONFIG_SCHEMA_FILE}`]: configSchemaText(),
  ...man,
};
types.close();
let stale = false;
const manFiles = JSON.stringify(Object.keys(man));
const { man: named } = JSON.parse(read('package.json')) as { man?: string[] };
if (JSON.stringify(named) !== manFiles) {
  console.error(`package.json does not name all manual pages; set "man": ${manFiles}`);
  stale = true;
}
for (const [file, text] of Object.entries(pages)) {
  if (!check) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (read(file) !== text) {
    console.error(`${file} is not what the code says; run npm run docs`);
    stale = true;
  }
}
process.exitCode = stale ? 1 : 0;

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** A page that is written by hand but for the part between two comments that name it. */
function withPart(file: string, name: string, lines: readonly string[]): string {
  const [begin, end] = [`<!-- ${name}: made by \`npm run docs\`; do not edit. -->`, `<!-- end of ${name} -->`];
  const text = read(file);
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no part that begins with ${begin} and ends with ${end}`);
  return `${text.slice(0, from)}${[begin, ...lines, ''].join('\n')}${text.slice(to)}`;
}

/** The states of a task without removal, which is possible from all but one, and would hide the others. */
function taskDiagram(): string[] {
  const rows = TASK_TRANSITIONS.filter(({ to }) => to !== 'none');
  const arrows = Map.groupBy(rows, ({ from, to }) => `${from === 'none' ? '[*]' : from} --> ${to}`);
  const labelled = [...arrows].map(
    ([arrow, all]) => `    ${arrow}: ${[...new Set(all.map((row) => row.event))].join(', ')}`,
  );
  return ['```mermaid', 'stateDiagram-v2', ...labelled, '```'];
}

function statesPage(): string {
  return page('States of tasks, nodes, claims, circuits, sessions, schedules and deliveries', 'src/domain/*-state.ts', [
    'These are all transitions that clawmesh makes. Each is caused by a command of an operator or a program; the node itself,',
    'or the one that claims or runs the task; the sweep, which any node does for the whole mesh; or time. Each is atomic; one',
    'script may do several at once, such as a promotion and the claim that brings it about.',
    '',
    '## Tasks',
    '',
    ...meaningLines(QUEUE_STATES),
    '',
    ...taskDiagram(),
    '',
    'The diagram leaves out how tasks are removed and expire.',
    '',
    ...transitionLines(TASK_TRANSITIONS),
    '',
    '## Nodes',
    '',
    ...meaningLines(NODE_MEANINGS),
    '',
    ...transitionLines(joined(NODE_TRANSITIONS)),
    '',
    '## Claims',
    '',
    'The claim on one task.',
    '',
    ...meaningLines(CLAIM_STATES),
    '',
    ...transitionLines(joined(CLAIM_TRANSITIONS)),
    '',
    '## Circuits',
    '',
    'The circuit of one provider.',
    '',
    ...meaningLines(CIRCUIT_STATES),
    '',
    ...transitionLines(joined(CIRCUIT_TRANSITIONS)),
    '',
    '## Sessions',
    '',
    'The session of one agent, with the task that it is busy with: its current task.',
    '',
    ...meaningLines(SESSION_STATES),
    '',
    ...transitionLines(joined(SESSION_TRANSITIONS)),
    '',
    '## Schedules',
    '',
    ...meaningLines(SCHEDULE_STATES),
    '',
    ...transitionLines(joined(SCHEDULE_TRANSITIONS)),
    '',
    '## Deliveries',
    '',
    'The delivery of the answer of one task to its recipient.',
    '',
    ...meaningLines(DELIVERY_STATES),
    '',
    ...transitionLines(joined(DELIVERY_TRANSITIONS)),
  ]);
}

function joined<R extends { readonly from: readonly string[]; readonly to: readonly string[] }>(rows: readonly R[]) {
  return rows.map((row) => ({ ...row, from: row.from.join(', '), to: row.to.join(', ') }));
}

function meaningLines(states: Readonly<Record<string, string>>): string[] {
  return table(['state', 'meaning'], Object.entries(states));
}

function transitionLines(rows: readonly Record<'from' | 'to' | 'event' | 'by' | 'when', string>[]): string[] {
  const cells = rows.map(({ from, to, event, by, when }) => [from, to, event, by, when]);
  return table(['from', 'to', 'event', 'caused by', 'when'], cells);
}

async function cliPage(): Promise<string> {
  const program = await createProgram();
  const lines = [
    'Results go to stdout, everything else to stderr. With `--json` stdout is one JSON document.',
    '',
    ...exitCodeLines(),
    '',
    '## Every command',
    '',
    ...optionLines(program.options),
    '',
  ];
  for (const command of leaves(program, [])) lines.push(...commandLines(command.command, command.path));
  return page('Command line', 'the commands themselves', lines);
}

/** All commands without the name of the program, such as `task list`. */
async function commandNames(): Promise<string[]> {
  return leaves(await createProgram(), []).map(({ path }) => path.slice(1).join(' '));
}

function leaves(command: Command, path: string[]): { command: Command; path: string[] }[] {
  const own = [...path, command.name()];
  if (command.commands.length === 0) return [{ command, path: own }];
  return visibleCommands(command).flatMap((child) => leaves(child, own));
}

function commandLines(command: Command, path: string[]): string[] {
  const usage = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}…` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  const described = command.registeredArguments.filter((argument) => argument.description);
  return [
    `## ${[...path, ...usage].join(' ')}`,
    '',
    sentence(command.description()),
    '',
    ...described.map((argument) => `- \`${argument.name()}\`: ${argument.description}`),
    ...(described.length > 0 ? [''] : []),
    ...optionLines(command.options),
    '',
  ];
}

/** The description of a command as a sentence. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function optionLines(options: readonly Option[]): string[] {
  if (options.length === 0) return [];
  return table(
    ['option', 'meaning'],
    options.map(({ flags, description }) => [`\`${flags}\``, description]),
  );
}

function configPage(): string {
  return page('Config file', 'the schema', [
    'One YAML file, the same bytes on every node: `--config` or `--mesh`, else `$CLAWMESH_CONFIG`, else the mesh in use',
    '(`clawmesh mesh use`; not for nodes), else `./config/clawmesh.yaml`, else `~/.config/clawmesh/clawmesh.yaml`, else',
    '`/etc/clawmesh/clawmesh.yaml`. `${NAME}` inserts an environment variable;',
    '`${NAME:-default}` has a default. Durations are written `500ms`, `30s`, `10m`, `2h`, `7d`; sizes `500MB`, `5GB`.',
    '',
    ...table(['setting', 'default', 'meaning'], rows(configSchema, [])),
    '',
    'Settings marked *secret* are masked by `clawmesh config show` and count for `clawmesh config digest` only as present',
    'or absent. The digest leaves out `nodes`, since nodes may differ there.',
  ]);
}

/** The cells of a setting and of all settings below it. */
function rows(schema: z.core.$ZodType, path: string[]): string[][] {
  const setting = settingOf(schema);
  const children = setting.shape
    ? Object.entries(setting.shape).flatMap(([key, child]) => rows(child, [...path, key]))
    : setting.element && settingOf(setting.element).shape
      ? rows(setting.element, [...path, '<id>'])
      : [];
  if (path.length === 0) return children;
  return [[`\`${path.join('.')}\``, fallbackText(setting), meaning(setting)], ...children];
}

function fallbackText({ fallback, shape }: Setting): string {
  if (shape || fallback === undefined) return '';
  return `\`${typeof fallback === 'string' ? fallback || '""' : JSON.stringify(fallback)}\``;
}

function meaning({ description, secret }: Setting): string {
  return [description, secret ? '*secret*' : undefined].filter(Boolean).join(' ');
}
