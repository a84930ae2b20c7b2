import type { Command } from 'commander';

export const SHELLS = ['zsh', 'bash', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Entry {
  /** The words before the one to be completed, e.g. `task list`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly { readonly flag: string; readonly description: string }[];
}

/** The completion script of the command tree; made from the tree itself, so it can't fall behind. */
export function completionScript(program: Command, shell: Shell): string {
  const entries = collect(program, []);
  if (shell === 'fish') return fishScript(entries);
  return shell === 'zsh'
    ? `#compdef clawmesh\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(entries)}`
    : bashScript(entries);
}

function collect(command: Command, path: readonly string[]): Entry[] {
  const own: Entry = {
    path: path.join(' '),
    commands: command.commands.map((child) => ({ name: child.name(), description: child.description() })),
    options: command.options.flatMap((option) =>
      option.long ? [{ flag: option.long, description: option.description }] : [],
    ),
  };
  return [own, ...command.commands.flatMap((child) => collect(child, [...path, child.name()]))];
}

function bashScript(entries: readonly Entry[]): string {
  const global = entries[0]?.options.map((option) => option.flag) ?? [];
  const cases = entries.map(({ path, commands, options }) => {
    const words = [...commands.map((command) => command.name), ...options.map((option) => option.flag), ...global];
    return `    '${path}') words='${[...new Set([...words, '--help'])].join(' ')}' ;;`;
  });
  const known = entries.map((entry) => `'${entry.path}'`).join('|');
  return `_clawmesh() {
  local path='' next word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in ${known}) path="$next" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _clawmesh clawmesh
`;
}

function fishScript(entries: readonly Entry[]): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`;
  const lines = entries.flatMap(({ path, commands, options }) => {
    const when =
      path === ''
        ? '__fish_use_subcommand'
        : condition(
            path,
            commands.map((command) => command.name),
          );
    return [
      ...commands.map(
        ({ name, description }) => `complete -c clawmesh -f -n ${quote(when)} -a ${name} -d ${quote(description)}`,
      ),
      ...options.map(
        ({ flag, description }) =>
          `complete -c clawmesh ${path === '' ? '' : `-n ${quote(when)} `}-l ${flag.slice(2)} -d ${quote(description)}`,
      ),
    ];
  });
  return `${lines.join('\n')}\n`;
}

function condition(path: string, children: readonly string[]): string {
  const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
  const notYet = children.length > 0 ? [`not __fish_seen_subcommand_from ${children.join(' ')}`] : [];
  return [...seen, ...notYet].join('; and ');
}
