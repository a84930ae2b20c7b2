import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellWord } from '../../src/domain/shell.ts';
import { type PrintedLine, PrintedLines, remember, type Witness } from './evidence.ts';
import { emptyFolder } from './folders.ts';
import { spawnOwned } from './processes.ts';

export const entry = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const testHome = emptyFolder();

/** A command or an event that takes longer than this hangs, on any machine, ms. */
export const HANG_MS = 90_000;

/** A clean environment: what the developer has set for clawmesh must not reach the tests. */
export function cleanEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(CLAWMESH_|NODE_ID$|OPENCLAW_|NO_COLOR|FORCE_COLOR|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(own), NODE_ENV: 'production', CLAWMESH_HOME: testHome, ...extra };
}

/** Runs the built CLI to its end. */
export function runCli(
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<CliResult> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [entry, ...args],
      { env: cleanEnv(options.env), cwd: options.cwd ?? emptyFolder(), timeout: HANG_MS, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
        resolve({ code, stdout, stderr });
      },
    );
    // A command that fails early does not read what it's given.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs the built CLI to its end in a pseudo-terminal (util-linux' `script`), and answers what that would show. */
export function onTerminal(args: readonly string[]): Promise<string> {
  const quoted = [process.execPath, entry, ...args].map(shellWord).join(' ');
  return new Promise((resolve) => {
    execFile(
      'script',
      ['--quiet', '--return', '--command', quoted, '/dev/null'],
      { env: cleanEnv({ TERM: 'xterm' }), timeout: HANG_MS },
      // The terminal ends lines in two characters.
      (_, stdout) => resolve(stdout.replace(/\r+\n/g, '\n')),
    );
  });
}

/** Writes a config file and returns its path. */
export function writeConfig(text: string): string {
  const file = join(emptyFolder(), 'clawmesh.yaml');
  writeFileSync(file, text);
  return file;
}

/** What `status` says, in one line, of a Redis that it can't use; `redis` is that section of the config. */
export async function refusalOf(redis: string): Promise<string> {
  const { code, stderr } = await runCli(['--config', writeConfig(`redis: ${redis}\n`), 'status']);
  if (code !== 3 || stderr.trim().includes('\n')) throw new Error(`exit code ${code}, not one line: ${stderr}`);
  return stderr;
}

/** How the built CLI is run. */
export const BUILT = [process.execPath, entry];

/** A long-running clawmesh command (`node run`, `up`) whose log can be waited for. */
export class CliProcess implements Witness {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  #output = '';
  readonly #lines = new PrintedLines();
  readonly #watchers = new Set<() => void>();

  /** `command`: another way to run the CLI, e.g. in a network namespace or as it was installed. */
  constructor(args: string[], env: NodeJS.ProcessEnv = {}, cwd: string = emptyFolder(), command: string[] = BUILT) {
    const [program = '', ...words] = [...command, ...args];
    this.name = env.CLAWMESH_NODE_ID ?? args.filter((word) => /^[a-z]+$/.test(word)).join('-');
    remember(this);
    this.child = spawnOwned(program, words, {
      env: cleanEnv(env),
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
        this.#lines.add(chunk.toString());
        for (const watcher of this.#watchers) watcher();
      });
    }
    this.exited = once(this.child, 'exit').then(([code]) => {
      for (const watcher of this.#watchers) watcher();
      return code as number | null;
    });
  }

  /** Everything printed so far. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get live(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  printed(): readonly PrintedLine[] {
    return this.#lines.lines;
  }

  /** Resolves once the output matches; rejects with the output if the process ends or time runs out first. */
  async waitFor(pattern: RegExp, timeoutMs = HANG_MS): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => fail('timed out'), timeoutMs);
      const check = () => {
        if (pattern.test(this.#output)) done(resolve);
        else if (!this.live) fail('process ended');
      };
      const done = (end: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(check);
        end();
      };
      const fail = (why: string) => done(() => reject(new Error(`${why} waiting for ${pattern}:\n${this.#output}`)));
      this.#watchers.add(check);
      check();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Ends the process if it's still there. */
  async kill(): Promise<void> {
    if (this.live) this.child.kill('SIGKILL');
    await this.exited;
  }
}
