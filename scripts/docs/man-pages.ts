import type { EventEmitter } from 'node:events';
import type { Command, Option } from 'commander';
import { visibleCommands } from '../../src/cli/completion/values.ts';
import { EXIT_CODES } from '../../src/cli/exit.ts';
import { ENVIRONMENT } from '../../src/config/environment.ts';
import { configCandidates } from '../../src/config/load.ts';
import { RoffPage } from './roff.ts';

/** Folder of the manual pages; package.json names each of them. */
const FOLDER = 'docs/man';

/** A manual page for clawmesh and for each of its command groups, by file name. */
export function manPages(program: Command): Record<string, string> {
  const groups = visibleCommands(program);
  const pages = [
    ['clawmesh', programPage(program, groups)] as const,
    ...groups.map((group) => [`clawmesh-${group.name()}`, groupPage(program, group)] as const),
  ];
  return Object.fromEntries(pages.map(([name, text]) => [`${FOLDER}/${name}.1`, text]));
}

function programPage(program: Command, groups: readonly Command[]): string {
  const page = new RoffPage('clawmesh', program.description());
  page.section('SYNOPSIS').line('clawmesh [options] command [options] [arguments]');
  page.section('DESCRIPTION').text('Each command has a page of its own, such as clawmesh-task(1) for clawmesh task.');
  page.section('COMMANDS');
  for (const group of groups) page.item(`clawmesh ${group.name()}`, sentence(group.description()));
  page.section('OPTIONS').text('Every command takes these options.');
  addOptions(page, program.options);
  page.section('EXIT STATUS');
  for (const [code, meaning] of Object.entries(EXIT_CODES)) page.item(code, sentence(meaning));
  page.section('ENVIRONMENT');
  for (const [name, { means, otherwise }] of Object.entries(ENVIRONMENT)) {
    page.item(name, `${plain(means)} Otherwise: ${plain(otherwise)}.`);
  }
  page
    .section('FILES')
    .text('The config is the first of these files that exists, unless an option or a variable names one.');
  for (const file of configCandidates({ HOME: '~' })) page.item(file, 'Config of the mesh, in YAML.');
  page.item('~/.config/clawmesh/meshes.json', 'The meshes of clawmesh mesh list.');
  addExamples(page, program);
  return page.seeAlso(groups.map((group) => `clawmesh-${group.name()}`)).toString();
}

function groupPage(program: Command, group: Command): string {
  const page = new RoffPage(`clawmesh-${group.name()}`, group.description());
  const commands = leaves(group, ['clawmesh', group.name()]);
  page.section('SYNOPSIS');
  for (const { command, path } of commands) page.line([...path, ...usage(command)].join(' '));
  if (commands.length === 1 && commands[0]?.command === group) {
    page.section('DESCRIPTION').text(sentence(group.description()));
    addArguments(page, group);
    page.section('OPTIONS');
    addOptions(page, group.options);
  } else {
    page.section('COMMANDS');
    for (const { command, path } of commands) {
      page.subsection([...path.slice(1), ...usage(command)].join(' ')).text(sentence(command.description()));
      addArguments(page, command);
      addOptions(page, command.options);
      addExamples(page, command);
    }
    page.section('OPTIONS');
  }
  page.text('Every command also takes the options of clawmesh(1):');
  page.text(program.options.flatMap(({ long }) => long ?? []).join(', '));
  addExamples(page, group, 'EXAMPLES');
  return page.seeAlso(['clawmesh']).toString();
}

function leaves(command: Command, path: readonly string[]): { command: Command; path: readonly string[] }[] {
  const children = visibleCommands(command);
  if (children.length === 0) return [{ command, path }];
  return children.flatMap((child) => leaves(child, [...path, child.name()]));
}

function usage(command: Command): string[] {
  const options = command.options.length > 0 ? ['[options]'] : [];
  const names = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [...options, ...names];
}

function addArguments(page: RoffPage, command: Command): void {
  for (const argument of command.registeredArguments) {
    if (argument.description) page.item(argument.name(), sentence(argument.description));
  }
}

function addOptions(page: RoffPage, options: readonly Option[]): void {
  for (const { flags, description } of options) page.item(flags, sentence(description));
}

/** The examples below the help of a command, in a section of their own if it is named. */
function addExamples(page: RoffPage, command: Command, section?: string): void {
  let help = '';
  // Commander's types leave out that a command is an EventEmitter.
  (command as unknown as EventEmitter).emit('afterHelp', {
    error: false,
    command,
    write: (text: string) => (help += text),
  });
  const lines = help.split('\n').filter((line) => line.startsWith('  $ '));
  if (lines.length === 0) return;
  if (section !== undefined) page.section(section);
  page.code(lines.map((line) => line.slice('  $ '.length)));
}

function sentence(text: string): string {
  const plainText = plain(text);
  return `${plainText.charAt(0).toUpperCase()}${plainText.slice(1)}${/[.!?]$/.test(plainText) ? '' : '.'}`;
}

/** Text without the marks of Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}
