import type { Argument, Command, Option } from 'commander';

/** Values that only the mesh or this machine knows, as `clawmesh __complete <kind>` prints them. */
export const LIVE_VALUES = [
  'tasks',
  'open-tasks',
  'failed-tasks',
  'nodes',
  'pools',
  'labels',
  'circuits',
  'schedules',
  'tags',
  'meshes',
] as const;
export type LiveValues = (typeof LIVE_VALUES)[number];

/** The source of the values of an option or an argument. */
export type ValueSource =
  | { readonly from: 'words'; readonly words: readonly string[] }
  | { readonly from: 'mesh'; readonly live: LiveValues }
  | { readonly from: 'files' }
  | { readonly from: 'nowhere' };

const OPTIONS: Readonly<Record<string, LiveValues | 'files'>> = {
  '--pool': 'pools',
  '--node': 'nodes',
  '--task': 'tasks',
  '--after': 'tasks',
  '--require': 'labels',
  '--tag': 'tags',
  '--mesh': 'meshes',
  '--config': 'files',
  '--from': 'files',
  '--message-file': 'files',
  '--log-file': 'files',
};

/** Arguments by command group; the first match counts, so single commands come before their group. */
const ARGUMENTS: readonly { readonly command: RegExp; readonly argument: string; readonly live: LiveValues }[] = [
  { command: /^task (cancel|wait)$/, argument: 'id', live: 'open-tasks' },
  { command: /^task retry$/, argument: 'id', live: 'failed-tasks' },
  { command: /^task /, argument: 'id', live: 'tasks' },
  { command: /^node /, argument: 'id', live: 'nodes' },
  { command: /^pool /, argument: 'pool', live: 'pools' },
  { command: /^circuit /, argument: 'name', live: 'circuits' },
  { command: /^mesh (use|remove)$/, argument: 'name', live: 'meshes' },
  { command: /^schedule (?!add$)/, argument: 'name', live: 'schedules' },
];

/** The values of an option that requires one. */
export function valuesOfOption({ long, argChoices, parseArg }: Option): ValueSource {
  const choices = argChoices ?? choicesOf(parseArg);
  if (choices) return { from: 'words', words: choices };
  return source(OPTIONS[long ?? '']);
}

/** The values of a command's argument; `path`: the words of the command, e.g. `task show`. */
export function valuesOfArgument(path: string, argument: Argument): ValueSource {
  const choices = argument.argChoices ?? choicesOf(argument.parseArg);
  if (choices) return { from: 'words', words: choices };
  const found = ARGUMENTS.find((one) => one.command.test(path) && one.argument === argument.name());
  return source(found?.live);
}

/** The commands that users see. */
export function visibleCommands(command: Command): readonly Command[] {
  return command.commands.filter((child) => !child.name().startsWith('__'));
}

function source(named: LiveValues | 'files' | undefined): ValueSource {
  if (named === undefined) return { from: 'nowhere' };
  return named === 'files' ? { from: 'files' } : { from: 'mesh', live: named };
}

function choicesOf(parse: unknown): readonly string[] | undefined {
  return typeof parse === 'function' && 'choices' in parse ? (parse.choices as readonly string[]) : undefined;
}
