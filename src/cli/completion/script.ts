import type { Command } from 'commander';
import { shellWord } from '../../domain/shell.ts';
import { type ValueSource, valuesOfArgument, valuesOfOption, visibleCommands } from './values.ts';

export const SHELLS = ['zsh', 'bash', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The completion script of the command tree; generated from the tree itself, so it can't get out of date. */
export function completionScript(program: Command, shell: Shell): string {
  const core = coreScript(program);
  if (shell === 'bash') return `${core}${BASH}`;
  return shell === 'zsh' ? `#compdef clawmesh\n${core}${ZSH}` : FISH.replace('@CORE@', () => fishString(core));
}

interface Place {
  /** The words of the command, e.g. `task list`; '' for the program. */
  readonly path: string;
  readonly command: Command;
}

function placesOf(command: Command, path: readonly string[] = []): Place[] {
  const own = { path: path.join(' '), command };
  return [own, ...visibleCommands(command).flatMap((child) => placesOf(child, [...path, child.name()]))];
}

/**
 * The part that all three shells share: which words are valid at which position. It runs in bash from 3.2 on, in zsh,
 * and in sh for fish. So it splits no unquoted variable, has no array, and does not touch `path`, which is zsh's PATH.
 */
function coreScript(program: Command): string {
  const places = placesOf(program);
  const takes = new Map<string, string[]>();
  for (const { path, command } of places) {
    for (const option of command.options) {
      if (!option.required && !option.optional) continue;
      const value = `${option.variadic ? 'many' : 'one'}:${sourceText(valuesOfOption(option))}`;
      const at = path === '' ? '*' : `'${path} '`;
      for (const flag of [option.long, option.short]) {
        if (flag) takes.set(value, [...(takes.get(value) ?? []), path === '' ? `*' ${flag}'` : `${at}${flag}`]);
      }
    }
  }
  const cases = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([pattern, what]) => `    ${pattern}) ${what} ;;`).join('\n');
  const named = (entries: readonly (readonly [string, string])[]) =>
    `printf '%s\\t%s\\n' ${entries.map(([name, text]) => `${shellWord(name)} ${shellWord(text)}`).join(' ')}`;
  const subcommands = places.flatMap(({ path, command }) => {
    const children = visibleCommands(command);
    if (children.length === 0) return [];
    return [[quoted(path), named(children.map((child) => [child.name(), child.description()]))] as const];
  });
  const flags = places.flatMap(({ path, command }) => {
    const rows = command.options.flatMap(({ long, description }) => (long ? [[long, description] as const] : []));
    return path === '' || rows.length === 0 ? [] : [[quoted(path), named(rows)] as const];
  });
  const everywhere = program.options.flatMap(({ long, description }) => (long ? [[long, description] as const] : []));
  const values = places.flatMap(({ path, command }) => {
    const sources = command.registeredArguments.map((argument) => ({
      text: sourceText(valuesOfArgument(path, argument)),
      variadic: argument.variadic,
    }));
    return sources.flatMap(({ text, variadic }, index) =>
      text === '-' ? [] : [[`'${path} '${variadic ? '*' : index}`, `values='${text}'`] as const],
    );
  });
  const known = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  return `# Sets \`takes\` to how many values an option takes and their source, such as one:@nodes; '' if it takes none.
_clawmesh_takes() {
  takes=''
  case "$1 $2" in
${cases([...takes].map(([value, patterns]) => [patterns.join('|'), `takes='${value}'`] as const))}
  esac
}

# Prints the values of a source. =: these words; @: ids or names in the mesh; /: files.
_clawmesh_values() {
  case "$1" in
    '='*) printf '%s\\n' "\${1#=}" | tr ' ' '\\n' ;;
    '@'*) if [ -n "$4" ]; then "$2" "$5" "$4" __complete "\${1#@}" "$3" 2>/dev/null </dev/null
      else "$2" __complete "\${1#@}" "$3" 2>/dev/null </dev/null; fi ;;
    /) printf '%s\\n' ':files' ;;
  esac
}

# Prints the candidates for the last word of a command line, one per line: value, tab, description. For
# --option=value, only values.
# Arguments: the program and its words; the last one is being typed.
_clawmesh_candidates() {
  local program="$1" at='' takes='' flag='' config='' chosen='' values='' word='' next='' only='' count=0
  shift
  while [ $# -gt 1 ]; do
    word="$1"; shift
    case "$only$word" in
      --) only=1; takes='' ;;
      -*)
        takes=''
        case "$word" in
          --config=* | --mesh=*) config="\${word#*=}" chosen="\${word%%=*}" ;;
          *=*) ;;
          *) flag="$word"; _clawmesh_takes "$at" "$word" ;;
        esac ;;
      *)
        if [ -n "$takes" ]; then
          case "$flag" in --config | --mesh) config="$word" chosen="$flag" ;; esac
          case "$takes" in one:*) takes='' ;; esac
        else
          next="\${at:+$at }\${word}"
          case "$next" in
            ${known.join('|')}) at="$next" ;;
            *) count=$((count + 1)) ;;
          esac
        fi ;;
    esac
  done
  word="$1"
  case "$only$word" in
    --*=*)
      _clawmesh_takes "$at" "\${word%%=*}"
      if [ -n "$takes" ]; then _clawmesh_values "\${takes#*:}" "$program" "\${word#*=}" "$config" "$chosen"; fi
      return ;;
    -*) ;;
    *)
      if [ -n "$takes" ]; then
        _clawmesh_values "\${takes#*:}" "$program" "$word" "$config" "$chosen"
        return
      fi
      case "$at" in
${cases(subcommands.map(([pattern, what]) => [pattern, `${what}; return`] as const))}
      esac
      case "$at $count" in
${cases(values)}
      esac
      if [ -n "$values" ]; then _clawmesh_values "$values" "$program" "$word" "$config" "$chosen"; return; fi
      if [ -n "$word" ]; then return; fi ;;
  esac
  case "$at" in
${cases(flags)}
  esac
  ${named([...everywhere, ['--help', 'display help for command']])}
}
`;
}

function sourceText(values: ValueSource): string {
  if (values.from === 'words') return `=${values.words.join(' ')}`;
  if (values.from === 'mesh') return `@${values.live}`;
  return values.from === 'files' ? '/' : '-';
}

function quoted(text: string): string {
  return `'${text}'`;
}

/**
 * bash splits words at `:` and `=`, which occur in task ids, labels and --option=value; it replaces only the last part.
 */
const BASH = `
_clawmesh() {
  local word='' last='' line='' cur='' i=0
  local -a all
  all=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ i -gt 1 && ( "$word" == [:=]* || "$last" == *[:=] ) && ! ( -z "$word" && "\${COMP_LINE:0:\${COMP_POINT:-0}}" == *' ' ) ]]; then
      all[\${#all[@]}-1]="\${all[\${#all[@]}-1]}$word"
    else
      all[\${#all[@]}]="$word"
    fi
    last="$word"
  done
  cur="\${all[\${#all[@]}-1]}"
  case "$cur" in --*=*) cur="\${cur#*=}" ;; esac
  COMPREPLY=()
  while IFS= read -r line; do
    word="\${line%%$'\\t'*}"
    if [[ "$word" == ':files' ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY[\${#COMPREPLY[@]}]="$word"; done < <(compgen -f -- "$cur")
    elif [[ "$word" == "$cur"* ]]; then
      COMPREPLY[\${#COMPREPLY[@]}]="\${word#"\${cur%"\${cur##*[:=]}"}"}"
    fi
  done < <(_clawmesh_candidates "\${all[@]}")
}
complete -F _clawmesh clawmesh
`;

/** Works as a file \`_clawmesh\` of fpath, and with \`source <(clawmesh completion zsh)\`. */
const ZSH = `
_clawmesh() {
  local line word
  local -a typed entries
  typed=("\${(@Q)words[1,CURRENT-1]}")
  word="\${(Q)PREFIX}"
  for line in "\${(@f)$(_clawmesh_candidates "\${typed[@]}" "$word")}"; do
    if [[ "$line" == ':files' ]]; then
      [[ "$word" == --*=* ]] && compset -P 1 '*='
      _files
      return
    fi
    [[ -n "$line" ]] && entries+=("\${\${line%%$'\\t'*}//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}")
  done
  [[ "$word" == --*=* ]] && compset -P 1 '*='
  _describe 'clawmesh' entries
}
if [[ "\${funcstack[1]}" == _clawmesh ]]; then
  _clawmesh "$@"
else
  (( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit }
  compdef _clawmesh clawmesh
fi
`;

const FISH = `set -g __clawmesh_core @CORE@

function __clawmesh_candidates
  set -l typed (commandline -ct)
  set -l prefix (string match -r -- '^--[^=]+=' $typed)
  for line in (sh -c "$__clawmesh_core"'_clawmesh_candidates "$@"' sh (commandline -opc) "$typed")
    if test "$line" = ':files'
      __fish_complete_path (string replace -r -- '^--[^=]+=' '' $typed) | string replace -r -- '^' "$prefix"
    else
      printf '%s%s\\n' "$prefix" $line
    end
  end
end
complete -c clawmesh -f -a '(__clawmesh_candidates)'
`;

function fishString(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
