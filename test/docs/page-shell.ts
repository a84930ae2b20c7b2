import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { findProgram } from '../../src/platform/find-program.ts';
import { CliProcess, cleanEnv, entry } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { spawnOwned } from '../support/processes.ts';
import { type Block, type Mark, ROOT } from './markdown.ts';
import { difference, idsShown } from './shape.ts';

/** Separates the outputs of a block's commands; no command prints it. */
const BREAK = '\u001e';

/** What stands in for machines, secrets and programs that only a reader has. */
export interface Substitute {
  readonly shown: string;
  readonly real: string;
}

/**
 * The shell of one page's reader: a home of its own, with a config for the mesh of the tests, and variables and
 * working folder that last from block to block.
 */
export class PageShell {
  readonly home = emptyFolder();
  readonly #work = join(this.home, 'work');
  readonly #programs = join(this.home, 'bin');
  readonly #substitutes: readonly Substitute[];
  readonly #background: CliProcess[] = [];
  /** Shown id → real id. */
  readonly #ids = new Map<string, string>();

  /** @param redis the URL that `redis-cli` speaks to. */
  constructor(options: { config: string; redis: string; substitutes: readonly Substitute[] }) {
    this.#substitutes = options.substitutes;
    for (const folder of [this.#programs, join(this.#work, 'node_modules')]) mkdirSync(folder, { recursive: true });
    symlinkSync(ROOT, join(this.#work, 'node_modules/clawmesh'));
    this.#program('clawmesh', `exec '${process.execPath}' '${entry}' "$@"`);
    this.#program('node', `exec '${process.execPath}' "$@"`);
    const redisCli = findProgram(['redis-cli', 'valkey-cli'], process.env);
    if (redisCli) this.#program('redis-cli', `exec '${redisCli}' --no-auth-warning -u '${options.redis}' "$@"`);
    this.write('~/.config/clawmesh/clawmesh.yaml', options.config);
    this.#save('state', '');
    this.#save('folder', this.#work);
  }

  /** Writes a file that a page shows. `~` is the reader's home. */
  write(name: string, text: string): void {
    const file = resolve(this.#work, name.replace(/^~(?=\/)/, this.home));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, this.#real(text), { mode: 0o600 });
  }

  /** Runs hidden commands. */
  async prepare(commands: string): Promise<void> {
    const { code, outputs } = await this.#run([`set -e\n${commands}`]);
    if (code !== 0) throw new Error(`a hidden command failed with exit code ${code}:\n${outputs.join('\n')}`);
  }

  /** Runs a block without output, as one script. */
  async script({ lines, mark }: Block): Promise<void> {
    const { code, outputs } = await this.#run([`set -e\n${lines.join('\n')}`]);
    if (!isExpected(code, mark)) throw new Error(`ended with exit code ${code}:\n${outputs.join('\n')}`);
  }

  /** Runs a block in which lines with `$ ` are commands and the others their output. */
  async session({ lines, mark }: Block): Promise<void> {
    const commands = commandsOf(lines);
    for (const { command, shown } of commands) {
      const { code, outputs } = await this.#run([command]);
      const printed = (outputs[0] ?? '').replace(/\n$/, '').split('\n');
      if (!isExpected(code, mark))
        throw new Error(`$ ${command}\nended with exit code ${code}:\n${printed.join('\n')}`);
      if (shown.length === 0) continue;
      const found = difference(shown, printed, { answers: /--wait\b|task result\b/.test(command) });
      if (found) throw new Error(`$ ${command}\n${found}`);
      for (const [id, real] of idsShown(shown, printed)) this.#ids.set(id, real);
    }
  }

  /** Starts a block's command and waits for its output. */
  async start({ lines, mark }: Block): Promise<void> {
    const command = this.#script([commandsOf(lines)[0]?.command ?? lines.join('\n')].map((line) => `exec env ${line}`));
    const process = new CliProcess([], this.#env(), this.home, ['bash', command]);
    this.#background.push(process);
    await process.waitFor(new RegExp(mark?.text ?? ''));
  }

  /** Ends what still runs, as Ctrl-C does. */
  async close(): Promise<void> {
    for (const process of this.#background) process.signal('SIGINT');
    for (const process of this.#background) await process.exited;
  }

  async #run(commands: readonly string[]): Promise<{ code: number | null; outputs: string[] }> {
    const child = spawnOwned('bash', [this.#script(commands)], {
      env: this.#env(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const code = await new Promise<number | null>((done) => child.once('close', done));
    return { code, outputs: output.split(BREAK).slice(1) };
  }

  /** A script whose variables and folder the next one takes over. */
  #script(commands: readonly string[]): string {
    const [state, folder] = [join(this.home, 'state'), join(this.home, 'folder')];
    return this.#save(
      'script',
      [
        'exec 2>&1',
        `. '${state}'`,
        `cd "$(cat '${folder}')"`,
        `trap 'export -p > ${state}; pwd > ${folder}' EXIT`,
        'set -a',
        ...commands.flatMap((command) => [`printf '${BREAK}'`, this.#real(command)]),
      ].join('\n'),
    );
  }

  #save(name: string, text: string): string {
    const file = join(this.home, name);
    writeFileSync(file, text);
    return file;
  }

  #program(name: string, body: string): void {
    const file = join(this.#programs, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
  }

  #env(): NodeJS.ProcessEnv {
    const path = `${this.#programs}:${process.env.PATH}`;
    return cleanEnv({ HOME: this.home, CLAWMESH_HOME: join(this.home, '.clawmesh'), PATH: path, USER: 'reader' });
  }

  #real(text: string): string {
    const substituted = this.#substitutes.reduce((line, { shown, real }) => line.replaceAll(shown, real), text);
    return substituted.replace(/\b[0-7][0-9a-hjkmnp-tv-z]{25}\b/g, (id) => {
      const real = this.#ids.get(id);
      if (real === undefined) throw new Error(`no output above shows the id ${id}`);
      return real;
    });
  }
}

/** Whether a command may end so: with 0, or with a code of the mark (`3`, `0 or 1`). */
function isExpected(code: number | null, mark: Mark | undefined): boolean {
  return mark?.kind === 'exits' ? mark.text.split(' or ').includes(String(code)) : code === 0;
}

/** The commands of a session, each with the output that the page shows; none means that it shows none. */
function commandsOf(lines: readonly string[]): { command: string; shown: string[] }[] {
  const commands: { command: string; shown: string[] }[] = [];
  for (const line of lines) {
    const last = commands.at(-1);
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2), shown: [] });
    else if (last && line.startsWith('> ') && last.shown.length === 0) last.command += `\n${line.slice(2)}`;
    else last?.shown.push(line);
  }
  return commands.map(({ command, shown }) => ({ command, shown: shown.join('').trim() === '' ? [] : shown }));
}
