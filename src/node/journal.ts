import { createHash } from 'node:crypto';
import { stateFile } from '../config/state-files.ts';
import type { Claim } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Outcome } from '../domain/task.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import type { Logger } from '../log/logger.ts';
import { type JournalEntry, nameOf, type RunName, readEntry } from './journal-entry.ts';
import { JournalFiles } from './journal-files.ts';
import { Signal } from './signal.ts';

/** Wait before a retry on a failed disk: doubles from the first to the second, ms. */
const RETRY_MS = { first: 500, max: 10_000 };
/** Interval between checks of a working disk, ms. */
const LOOK_MS = 10_000;
/** A disk that takes longer is hung; neither start nor close waits for it, ms. */
const PATIENCE_MS = 3_000;
/** Maximum number of discarded outcomes to keep in memory while the disk fails; they may be large. */
const MAX_WAITING_DISCARDS = 20;

/** The folders of a node: for its journal, and for the runs in its gateway. Each mesh of the same name has its own. */
export function nodeFolders(
  { mesh, meshId, nodeId }: { mesh: string; meshId: string; nodeId: string },
  env: NodeJS.ProcessEnv,
): { readonly outcomes: string; readonly submissions: string } {
  // Hashed, so that no id from Redis can be an unsafe folder name.
  const of = { mesh, nodeId, meshId: createHash('sha256').update(meshId).digest('hex').slice(0, 16) };
  return { outcomes: stateFile('outcomes', of, env), submissions: stateFile('submissions', of, env) };
}

interface Kept {
  readonly entry: JournalEntry;
  state: 'pending' | 'discarded';
  onDisk: boolean;
  /** Resolves once the entry is on disk, or was removed before that. */
  readonly written: PromiseWithResolvers<void>;
}

/**
 * Outcomes of runs that ended while Redis was away. They are delivered when Redis is back, also by the daemon's next
 * incarnation, if the node still has the claim. Otherwise they are kept as discarded.
 *
 * Memory is authoritative, and the node's disk follows: no method does I/O before it returns, and none throws. While
 * the disk fails, everything stays in memory and the journal keeps retrying; {@link trouble} says why.
 */
export class Journal {
  readonly #files: JournalFiles;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #kept = new Map<string, Kept>();
  /** Names of entries whose file is out of date. */
  readonly #dirty = new Set<string>();
  readonly #changed = new Signal();
  readonly #passed = new Signal();
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  #trouble: string | undefined;
  #isRead = false;
  #isAtWork = true;

  private constructor(folder: string, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#files = new JournalFiles(folder);
    this.#log = log.child({ journal: folder });
  }

  /**
   * Opens the journal with the entries of earlier incarnations. A disk that fails or hangs does not delay the start.
   */
  static async open(folder: string, clock: Clock, log: Logger): Promise<Journal> {
    const journal = new Journal(folder, clock, log);
    const looked = journal.#passed.wait();
    void journal.#follow();
    await waitAtMost(clock, looked, PATIENCE_MS);
    return journal;
  }

  get folder(): string {
    return this.#files.folder;
  }

  /** Why outcomes can't be kept on disk; undefined while they can. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Calls back whenever {@link trouble} changes. @returns a function that ends this. */
  onTrouble(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Keeps an outcome until it is removed or discarded. Resolves once it is on disk; false if that is no longer needed.
   */
  async keep(claim: RunName & Pick<Claim, 'pool'>, result: Outcome): Promise<boolean> {
    const kept = this.#put(claim, result, 'pending');
    await kept.written.promise;
    return kept.onDisk && kept.state === 'pending';
  }

  /** Removes a delivered outcome; a discarded one stays discarded. */
  remove(run: RunName): void {
    const name = nameOf(run);
    const kept = this.#kept.get(name);
    if (kept?.state !== 'pending') return;
    this.#kept.delete(name);
    kept.written.resolve();
    this.#touch(name);
  }

  /**
   * Discards an outcome because the claim is lost or Redis can't store the outcome; it is kept on disk for inspection.
   */
  discard(claim: RunName & Pick<Claim, 'pool'>, result: Outcome): void {
    const waiting = [...this.#kept].filter(([, { state }]) => state === 'discarded');
    for (const [name] of waiting.slice(0, Math.max(0, waiting.length - MAX_WAITING_DISCARDS + 1))) {
      this.#kept.delete(name);
    }
    this.#kept.get(nameOf(claim))?.written.resolve();
    this.#put(claim, result, 'discarded');
  }

  /** The undelivered outcomes, oldest task first. */
  pending(): JournalEntry[] {
    return [...this.#kept]
      .filter(([, { state }]) => state === 'pending')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { entry }]) => entry);
  }

  /** Number of undelivered and of discarded outcomes; read with each heartbeat. */
  counts(): { pending: number; discarded: number } {
    let pending = 0;
    for (const { state } of this.#kept.values()) if (state === 'pending') pending++;
    return { pending, discarded: this.#files.discarded + this.#kept.size - pending };
  }

  /** Resolves once the disk is up to date; never while it fails. */
  async settled(): Promise<void> {
    while (this.#isAtWork || this.#dirty.size > 0 || this.#trouble !== undefined) await this.#passed.wait();
  }

  /** Waits for writes under way, but not for a disk that fails. */
  async close(): Promise<void> {
    await waitAtMost(this.#clock, this.settled(), PATIENCE_MS);
    this.#stop.abort();
    this.#changed.notify();
    const lost = this.pending().filter((entry) => !this.#kept.get(nameOf(entry))?.onDisk);
    if (lost.length > 0) {
      this.#log.error(
        { taskIds: lost.map(({ taskId }) => taskId) },
        'undelivered outcomes are lost: the disk could not keep them',
      );
    }
  }

  #put(claim: RunName & Pick<Claim, 'pool'>, result: Outcome, state: Kept['state']): Kept {
    const { taskId, pool, attempt, handovers, holds } = claim;
    const endedAt = new Date(this.#clock.now()).toISOString();
    const entry: JournalEntry = { taskId, pool, attempt, handovers, holds, endedAt, outcome: result };
    const kept = { entry, state, onDisk: false, written: Promise.withResolvers<void>() };
    this.#kept.set(nameOf(claim), kept);
    this.#touch(nameOf(claim));
    return kept;
  }

  #touch(name: string): void {
    this.#dirty.add(name);
    this.#changed.notify();
  }

  /** Keeps the disk up to date for as long as the journal is open. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    let wait = RETRY_MS.first;
    while (!signal.aborted) {
      const changed = this.#changed.wait();
      this.#isAtWork = true;
      const late = this.#clock.timer(PATIENCE_MS, () => this.#setTrouble('the disk does not respond'));
      const error = await this.#pass().catch((thrown: unknown) => messageOf(thrown));
      late.stop();
      this.#setTrouble(error);
      this.#isAtWork = false;
      wait = error === undefined ? RETRY_MS.first : Math.min(wait * 2, RETRY_MS.max);
      this.#passed.notify();
      const over = new AbortController();
      const pause = this.#clock.sleep(error === undefined ? LOOK_MS : wait, over.signal);
      // On a failing disk, a new outcome causes one early retry. The failed entries cause none, so this does not loop.
      await Promise.race([pause, changed]);
      over.abort();
    }
  }

  /** Brings the disk up to date. @returns its problem, if it has one. */
  async #pass(): Promise<string | undefined> {
    const isNew = await this.#files.prepare();
    if (!this.#isRead) await this.#read();
    else if (isNew) this.#writeAgain();
    let trouble: string | undefined;
    for (const name of [...this.#dirty]) {
      // Removed before the write: a change during the write is for the next pass.
      this.#dirty.delete(name);
      try {
        await this.#write(name);
      } catch (error) {
        this.#dirty.add(name);
        trouble ??= messageOf(error);
      }
    }
    return trouble;
  }

  async #write(name: string): Promise<void> {
    const kept = this.#kept.get(name);
    if (!kept) return this.#files.remove(name);
    const text = JSON.stringify(kept.entry);
    if (kept.state === 'pending') {
      await this.#files.write(name, text);
      kept.onDisk = true;
      kept.written.resolve();
      return;
    }
    await this.#files.discard(name, text);
    if (this.#kept.get(name) === kept) this.#kept.delete(name);
  }

  /** Reads the entries of earlier incarnations. */
  async #read(): Promise<void> {
    const onTrouble = (file: string, error: unknown) =>
      this.#log.error({ file, error: messageOf(error) }, "can't read a file of the journal");
    for (const [name, text] of await this.#files.read(onTrouble)) {
      const entry = readEntry(text);
      if (!entry || nameOf(entry) !== name) {
        const to = await this.#files.setAside(name).catch((error: unknown) => onTrouble(name, error));
        if (to) this.#log.error({ file: to }, 'moved a broken journal entry aside');
      } else if (!this.#kept.has(name)) {
        const written = Promise.withResolvers<void>();
        written.resolve();
        this.#kept.set(name, { entry, state: 'pending', onDisk: true, written });
      }
    }
    this.#isRead = true;
  }

  /** The folder and its files were removed, so every entry is written again. */
  #writeAgain(): void {
    this.#log.warn('the folder of the journal was gone; creating it again');
    for (const [name, kept] of this.#kept) {
      kept.onDisk = false;
      this.#dirty.add(name);
    }
  }

  #setTrouble(trouble: string | undefined): void {
    const before = this.#trouble;
    this.#trouble = trouble && `${this.folder}: ${trouble}`;
    if (this.#trouble === before) return;
    if (trouble !== undefined) this.#log.error({ error: trouble }, "can't keep outcomes on disk; trying again");
    else this.#log.info('outcomes are kept on disk again');
    for (const listener of this.#listeners) listener();
  }
}
