import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, isAbsolute, join } from 'node:path';
import * as plist from 'plist';
import * as z from 'zod';
import { emptyFolder } from './folders.ts';

interface Reply {
  readonly code: number;
  readonly text: string;
}
interface Job {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly errorFile: string | undefined;
  readonly restartAfterMs: number;
  readonly noRestartFor: readonly number[];
  child?: ChildProcess | undefined;
  lastExit?: number | undefined;
  /** It was stopped on purpose, so that its end is no reason to start it again. */
  stopped: boolean;
}

const jobPlist = z.object({
  Label: z.string().min(1),
  ProgramArguments: z.array(z.string()).min(1),
  EnvironmentVariables: z.record(z.string(), z.string()).default({}),
  StandardErrorPath: z.string(),
  RunAtLoad: z.boolean().default(false),
});

const OK: Reply = { code: 0, text: '' };

/** A service manager for tests: a command on PATH that asks this process, which really runs what it is told to. */
abstract class StandIn {
  /** To be put first on PATH. */
  readonly bin = emptyFolder();
  readonly asked: string[] = [];
  protected readonly jobs = new Map<string, Job>();
  readonly #server: Server;

  protected constructor(command: string) {
    const socket = join(this.bin, 'socket');
    this.#server = createServer({ allowHalfOpen: true }, async (connection) => {
      const chunks: Buffer[] = [];
      for await (const chunk of connection) chunks.push(chunk as Buffer);
      const args = JSON.parse(Buffer.concat(chunks).toString()) as string[];
      this.asked.push(args.join(' '));
      connection.end(JSON.stringify(await this.answer(args)));
    }).listen(socket);
    const script = `#!${process.execPath}
const socket = require('node:net').connect(${JSON.stringify(socket)}, () => socket.end(JSON.stringify(process.argv.slice(2))));
let text = '';
socket.on('data', (chunk) => { text += chunk; }).on('end', () => {
  const reply = JSON.parse(text);
  (reply.code === 0 ? process.stdout : process.stderr).write(reply.text + '\\n');
  process.exitCode = reply.code;
});
`;
    writeFileSync(join(this.bin, command), script);
    chmodSync(join(this.bin, command), 0o755);
  }

  protected abstract answer(args: readonly string[]): Promise<Reply>;

  /** The process of the one job there is. */
  get pid(): number | undefined {
    return [...this.jobs.values()][0]?.child?.pid;
  }

  async close(): Promise<void> {
    for (const job of this.jobs.values()) await this.stop(job, 'SIGKILL');
    this.#server.close();
  }

  protected start(job: Job): void {
    if (job.child) return;
    job.stopped = false;
    const [program = '', ...args] = job.argv;
    const err = job.errorFile === undefined ? 'ignore' : openSync(job.errorFile, 'a');
    // As with the real ones, nothing of anybody's environment but HOME is there.
    const child = spawn(program, args, { env: { HOME: this.bin, ...job.env }, stdio: ['ignore', err, err] });
    job.child = child;
    child.once('exit', (code, signal) => {
      job.child = undefined;
      job.lastExit = code ?? 128 + (signal ? 9 : 0);
      if (job.stopped || code === 0 || job.noRestartFor.includes(code ?? -1)) return;
      setTimeout(() => !job.stopped && this.start(job), job.restartAfterMs).unref();
    });
  }

  protected async stop(job: Job, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    job.stopped = true;
    const { child } = job;
    if (!child) return;
    child.kill(signal);
    if (child.exitCode === null) await once(child, 'exit');
  }
}

/**
 * `launchctl` as far as we use it, with what the real one refuses: other domains than this user's, definitions that are no
 * plist, that others may write, without a label or with a relative program, and services that are loaded already,
 * disabled, or not there.
 */
export class LaunchctlStandIn extends StandIn {
  readonly #disabled = new Set<string>();
  /** Whether a user is logged in on the screen. */
  loggedIn = true;

  constructor() {
    super('launchctl');
  }

  protected async answer([verb = '', first = '', second = '', ...more]: readonly string[]): Promise<Reply> {
    const own = `gui/${process.getuid?.()}`;
    if (!first.startsWith(own) || !this.loggedIn) {
      return { code: 125, text: 'Could not find domain for port: Domain does not support specified action' };
    }
    if (more.length > 0) return { code: 64, text: 'Usage: launchctl …' };
    const label = first.slice(own.length + 1);
    const job = this.jobs.get(label);
    switch (verb) {
      case 'enable':
        this.#disabled.delete(label);
        return OK;
      case 'disable':
        this.#disabled.add(label);
        return OK;
      case 'bootstrap':
        return this.#bootstrap(second);
      case 'print': {
        if (!job) return { code: 113, text: `Bad request.\nCould not find service "${label}" in domain for user gui` };
        const pid = job.child?.pid ? `\tpid = ${job.child.pid}\n` : '';
        const exit = job.lastExit === undefined ? '(never exited)' : job.lastExit;
        const state = job.child ? 'running' : 'not running';
        return { code: 0, text: `${first} = {\n\tstate = ${state}\n${pid}\tlast exit code = ${exit}\n}` };
      }
      case 'bootout':
        if (!job) return { code: 3, text: 'Boot-out failed: 3: No such process' };
        // It answers at once while the service ends.
        void this.stop(job).then(() => this.jobs.delete(label));
        return job.child ? { code: 36, text: 'Boot-out failed: 36: Operation now in progress' } : OK;
      case 'kickstart':
        if (!job) return { code: 113, text: `Could not find service "${label}"` };
        this.start(job);
        return OK;
      default:
        return { code: 64, text: `Unrecognized subcommand: ${verb}` };
    }
  }

  #bootstrap(file: string): Reply {
    const refused = { code: 5, text: 'Bootstrap failed: 5: Input/output error' };
    if (!existsSync(file) || (statSync(file).mode & 0o022) !== 0) return refused;
    try {
      execFileSync('plistutil', ['-i', file], { stdio: 'ignore' });
    } catch {
      return refused;
    }
    const found = jobPlist.parse(plist.parse(readFileSync(file, 'utf8')));
    const { ProgramArguments: argv, StandardErrorPath: errorFile } = found;
    if (this.jobs.has(found.Label) || this.#disabled.has(found.Label)) return refused;
    if (!isAbsolute(argv[0] ?? '') || !existsSync(dirname(errorFile))) return refused;
    const job = {
      argv,
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ...found.EnvironmentVariables },
      errorFile,
      restartAfterMs: 500,
      noRestartFor: [],
      stopped: false,
    };
    this.jobs.set(found.Label, job);
    if (found.RunAtLoad) this.start(job);
    return OK;
  }
}

/** `systemctl --user` as far as we use it; a unit is what `systemd-analyze verify` takes for one. */
export class SystemctlStandIn extends StandIn {
  readonly #folder: string;
  #loaded = false;
  #enabled = false;

  constructor(folder: string) {
    super('systemctl');
    this.#folder = folder;
  }

  /** As an operator does by hand. */
  disable(): void {
    this.#enabled = false;
  }

  protected async answer(args: readonly string[]): Promise<Reply> {
    const [user, verb, ...rest] = args;
    if (user !== '--user') return { code: 1, text: 'Access denied' };
    const unit = rest.filter((word) => !word.startsWith('-'))[0] ?? '';
    const file = join(this.#folder, unit);
    if (verb === 'daemon-reload') {
      this.#loaded = true;
      return OK;
    }
    const job = this.jobs.get(unit);
    if (verb === 'show') {
      const lines = [
        `LoadState=${existsSync(file) ? 'loaded' : 'not-found'}`,
        `ActiveState=${job?.child ? 'active' : 'inactive'}`,
        `UnitFileState=${this.#enabled ? 'enabled' : ''}`,
        `MainPID=${job?.child?.pid ?? 0}`,
        `ExecMainStatus=${job?.lastExit ?? 0}`,
      ];
      return { code: 0, text: lines.join('\n') };
    }
    if (!this.#loaded || !existsSync(file))
      return { code: 5, text: `Failed to ${verb} ${unit}: Unit ${unit} not found.` };
    switch (verb) {
      case 'enable':
        this.#enabled = true;
        return OK;
      case 'disable':
        this.#enabled = false;
        if (job && rest.includes('--now')) await this.stop(job);
        return OK;
      case 'stop':
        if (job) await this.stop(job);
        return OK;
      case 'restart':
        if (job) await this.stop(job);
        return this.#startUnit(unit, file);
      case 'start':
        return this.#startUnit(unit, file);
      default:
        return { code: 1, text: `Unknown command verb ${verb}.` };
    }
  }

  #startUnit(unit: string, file: string): Reply {
    const text = readFileSync(file, 'utf8');
    const words = (line: string) =>
      [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) =>
        word.replace(/\\(.)/g, '$1').replace(/%%/g, '%'),
      );
    const lines = text.split('\n');
    const env = lines.filter((line) => line.startsWith('Environment=')).flatMap(words);
    const job: Job = {
      argv: words(lines.find((line) => line.startsWith('ExecStart=')) ?? ''),
      env: Object.fromEntries(env.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
      errorFile: join(this.bin, 'journal'),
      restartAfterMs: 500,
      noRestartFor: [2],
      stopped: false,
    };
    this.jobs.set(unit, job);
    this.start(job);
    return OK;
  }
}
