import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import { humanDuration } from '../domain/units.ts';

const COLORS = ['cyan', 'magenta', 'yellow', 'green', 'blue', 'red'] as const;
/** Wait before a dead node is started again, ms: doubles from the first to the second while it keeps dying. */
const RESTART_MS = { first: 1_000, most: 30_000 };
/** Uptime after which that wait is reset, ms. */
const STAYED_UP_MS = 60_000;

/** A node that `clawmesh up` runs as a separate process, and starts again when it dies. */
export class NodeProcess {
  readonly id: string;
  /** Resolves when the node has ended for good. */
  readonly ended: Promise<void>;
  readonly #configFile: string | undefined;
  readonly #prefix: string;
  readonly #resolveEnded: () => void;
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;
  #startedAt = 0;
  #restartMs = RESTART_MS.first;

  constructor(id: string, configFile: string | undefined, index: number) {
    this.id = id;
    this.#configFile = configFile;
    const colored = Boolean(process.stderr.isTTY) && !process.env.NO_COLOR;
    const color = COLORS[index % COLORS.length] ?? 'cyan';
    this.#prefix = colored ? styleText(color, `${id} |`, { validateStream: false }) : `${id} |`;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  start(): void {
    if (this.#stopping) return;
    const config = this.#configFile ? ['--config', this.#configFile] : [];
    const child = spawn(process.execPath, [process.argv[1] ?? '', ...config, 'node', 'run', '--log-format', 'pretty'], {
      // A separate process group, so that Ctrl-C reaches only this process and each node gets one signal per press.
      detached: true,
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, CLAWMESH_NODE_ID: this.id, ...(process.stderr.isTTY && { FORCE_COLOR: '1' }) },
    });
    this.#child = child;
    this.#startedAt = performance.now();
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => this.#say(line));
    }
    child.once('error', (error) => this.#say(`could not start: ${error.message}`));
    child.once('close', (code, signal) => this.#closed(code, signal));
  }

  /** Stops the node: the first call lets it finish its runs, the second makes it release their tasks. */
  stop(): void {
    this.#stopping = true;
    if (this.#restart) clearTimeout(this.#restart);
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM');
    else this.#resolveEnded();
  }

  #closed(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) {
      this.#resolveEnded();
      return;
    }
    if (performance.now() - this.#startedAt > STAYED_UP_MS) this.#restartMs = RESTART_MS.first;
    const how = signal ? `killed by ${signal}` : `exited with code ${code}`;
    this.#say(`${how}; restarting in ${humanDuration(this.#restartMs)}`);
    this.#restart = setTimeout(() => this.start(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS.most);
  }

  #say(line: string): void {
    process.stderr.write(`${this.#prefix} ${line}\n`);
  }
}
