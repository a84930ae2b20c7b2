import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer, Order, Unit } from './units.ts';

/** A worker to try mutants on, one at a time. It lives long; one that hangs is killed with the servers it has started. */
export class Tester {
  #worker: ChildProcess | undefined;
  /** What its tests put on disk; short, see `emptyFolder`. */
  #folder: string | undefined;

  /** The units that there are. */
  async units(): Promise<Unit[]> {
    return (await this.#ask('units')) as Unit[];
  }

  /** Runs the units in their order, to the first that fails. @returns 'hangs' if that takes longer than this, ms. */
  async run(order: Order, guardMs: number): Promise<Answer | 'hangs'> {
    let timer: NodeJS.Timeout | undefined;
    const hangs = new Promise<'hangs'>((resolve) => {
      timer = setTimeout(() => resolve('hangs'), guardMs);
    });
    try {
      const answer = await Promise.race([this.#ask(order) as Promise<Answer>, hangs]);
      if (answer === 'hangs') this.stop();
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the worker and all that it has started. */
  stop(): void {
    const pid = this.#worker?.pid;
    this.#worker?.removeAllListeners();
    this.#worker = undefined;
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    this.#folder = undefined;
  }

  async #ask(question: Order | 'units'): Promise<unknown> {
    const worker = this.#worker ?? (await this.#start());
    const settled = new AbortController();
    const { signal } = settled;
    const ended = once(worker, 'exit', { signal }).then(() => {
      throw new Error('the worker has ended');
    });
    try {
      const answered = once(worker, 'message', { signal });
      worker.send(question);
      const [answer] = await Promise.race([answered, ended]);
      return answer;
    } finally {
      // A worker that is still waited for says so, without a listener.
      ended.catch(() => {});
      settled.abort();
    }
  }

  async #start(): Promise<ChildProcess> {
    // A process group of its own: the servers of its tests end with it.
    this.#folder ??= mkdtempSync(join(tmpdir(), 'cm-'));
    const worker = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
      detached: true,
      env: { ...process.env, NODE_NO_WARNINGS: '1', CLAWMESH_TEST_FOLDER: this.#folder },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#worker = worker;
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    await once(worker, 'message');
    return worker;
  }
}
