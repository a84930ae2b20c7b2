import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { stateFolder } from '../config/home.ts';
import type { Claim } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Outcome } from '../domain/task.ts';
import type { Logger } from '../log/logger.ts';
import { type JournalEntry, nameOf, type RunName, readEntry } from './journal-entry.ts';
import { JournalFiles } from './journal-files.ts';
import { Signal } from './signal.ts';
import { waitAtMost } from './wait-at-most.ts';

/** Wait before a disk that failed is tried again: doubles from the first to the second, ms. */
const RETRY_MS = { first: 500, max: 10_000 };
/** A disk that works is looked at this often, ms. */
const LOOK_MS = 10_000;
/** A disk that takes longer hangs; neither a start nor the end waits for it, ms. */
const PATIENCE_MS = 3_000;
/** Discarded outcomes that wait for a disk that fails; they may be large. */
const MAX_WAITING_DISCARDS = 20;

/**
 * Where a node keeps its journal: `$CLAWMESH_HOME` or `~/.clawmesh`, then `<mesh>/nodes/<node id>/outcomes`, and there
 * a
 * folder for each mesh of this name, since two of them may stand on two Redis servers.
 */
export function journalFolder(
  { mesh, meshId, nodeId }: { mesh: string; meshId: string; nodeId: string },
  env: NodeJS.ProcessEnv,
): string {
  // Whatever stands in Redis, this is a name of a folder.
  const own = createHash('sha256').update(meshId).digest('hex').slice(0, 16);
  return join(stateFolder(mesh, env), 'nodes', nodeId, 'outcomes', own);
}

interface Kept {
  readonly entry: JournalEntry;
  state: 'pending' | 'discarded';
  onDisk: boolean;
  /** Resolves once it is on disk, or has been removed before. */
  readonly written: PromiseWithResolvers<void>;
}

/**
 * Outcomes of runs that ended while Redis could not be told: delivered when Redis is back, also by the next incarnation
 * of the
 * daemon, as long as the claim is still the node's. One that is not is kept as discarded.
 *
 * What counts is in memory, and the node's own disk follows: no method does I/O before it returns, and none throws.
 * While the
 * disk fails, everything stays in memory, is tried again and again, and {@link trouble} says why.
 */
export class Journal {
  readonly #files: JournalFiles;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #kept = new Map<string, Kept>();
  /** Names of entries whose file is not what it should be. */
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
   * Opens the journal with what earlier incarnations have left in it. A disk that fails, or hangs, holds up no start.
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

  /** Calls back whenever {@link trouble} has come or gone; answers how to end that. */
  onTrouble(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Keeps an outcome until it is removed or discarded. Resolves once it is on disk; false if it need not be any more.
   */
  async keep(claim: RunName & Pick<Claim, 'pool'>, result: Outcome): Promise<boolean> {
    const kept = this.#put(claim, result, 'pending');
    await kept.written.promise;
    return kept.onDisk && kept.state === 'pending';
  }

  /** The outcome has been delivered; one that was discarded stays so. */
  remove(run: RunName): void {
    const name = nameOf(run);
    const kept = this.#kept.get(name);
    if (kept?.state !== 'pending') return;
    this.#kept.delete(name);
    kept.written.resolve();
    this.#touch(name);
  }

  /** The task is somebody else's by now, or Redis can't take the outcome; it is kept for whoever wants to look. */
  discard(claim: RunName & Pick<Claim, 'pool'>, result: Outcome): void {
    const waiting = [...this.#kept].filter(([, { state }]) => state === 'discarded');
    for (const [name] of waiting.slice(0, Math.max(0, waiting.length - MAX_WAITING_DISCARDS + 1))) {
      this.#kept.delete(name);
    }
    this.#kept.get(nameOf(claim))?.written.resolve();
    this.#put(claim, result, 'discarded');
  }

  /** What has not been delivered, oldest task first. */
  pending(): JournalEntry[] {
    return [...this.#kept]
      .filter(([, { state }]) => state === 'pending')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { entry }]) => entry);
  }

  /** How many outcomes wait, and how many were discarded; asked with each heartbeat. */
  counts(): { pending: number; discarded: number } {
    let pending = 0;
    for (const { state } of this.#kept.values()) if (state === 'pending') pending++;
    return { pending, discarded: this.#files.discarded + this.#kept.size - pending };
  }

  /** Resolves once the disk is what it should be; while it fails, never. */
  async settled(): Promise<void> {
    while (this.#isAtWork || this.#dirty.size > 0 || this.#trouble !== undefined) await this.#passed.wait();
  }

  /** Waits for what is being written, but not for a disk that fails. */
  async close(): Promise<void> {
    await waitAtMost(this.#clock, this.settled(), PATIENCE_MS);
    this.#stop.abort();
    this.#changed.notify();
    const lost = this.pending().filter((entry) => !this.#kept.get(nameOf(entry))?.onDisk);
    if (lost.length > 0) {
      this.#log.error(
        { taskIds: lost.map(({ taskId }) => taskId) },
        'outcomes are lost: they could not be kept on disk',
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

  /** Has the disk follow, for as long as the journal is open. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    let wait = RETRY_MS.first;
    while (!signal.aborted) {
      const changed = this.#changed.wait();
      this.#isAtWork = true;
      const late = this.#clock.timer(PATIENCE_MS, () => this.#setTrouble('its disk does not answer'));
      const error = await this.#pass().catch((thrown: unknown) => messageOf(thrown));
      late.stop();
      this.#setTrouble(error);
      this.#isAtWork = false;
      wait = error === undefined ? RETRY_MS.first : Math.min(wait * 2, RETRY_MS.max);
      this.#passed.notify();
      const over = new AbortController();
      const pause = this.#clock.sleep(error === undefined ? LOOK_MS : wait, over.signal);
      // A disk that fails is given time: each outcome is one more reason to try, and none to try in a hot loop.
      await Promise.race([pause, changed]);
      over.abort();
    }
  }

  /** Makes the disk what it should be. @returns what is wrong with it, if anything is. */
  async #pass(): Promise<string | undefined> {
    const isNew = await this.#files.prepare();
    if (!this.#isRead) await this.#read();
    else if (isNew) this.#writeAgain();
    let trouble: string | undefined;
    for (const name of [...this.#dirty]) {
      // Before it is written: what changes meanwhile is for the next pass.
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

  /** Takes in what earlier incarnations have left. */
  async #read(): Promise<void> {
    const onTrouble = (file: string, error: unknown) =>
      this.#log.error({ file, error: messageOf(error) }, 'a file of the journal can not be read');
    for (const [name, text] of await this.#files.read(onTrouble)) {
      const entry = readEntry(text);
      if (!entry || nameOf(entry) !== name) {
        const to = await this.#files.setAside(name).catch((error: unknown) => onTrouble(name, error));
        if (to) this.#log.error({ file: to }, 'an entry of the journal is broken; it was set aside');
      } else if (!this.#kept.has(name)) {
        const written = Promise.withResolvers<void>();
        written.resolve();
        this.#kept.set(name, { entry, state: 'pending', onDisk: true, written });
      }
    }
    this.#isRead = true;
  }

  /** Somebody has removed the folder, and what was in it. */
  #writeAgain(): void {
    this.#log.warn('the folder of the journal was gone; it is made anew');
    for (const [name, kept] of this.#kept) {
      kept.onDisk = false;
      this.#dirty.add(name);
    }
  }

  #setTrouble(trouble: string | undefined): void {
    const before = this.#trouble;
    this.#trouble = trouble && `${this.folder}: ${trouble}`;
    if (this.#trouble === before) return;
    if (trouble !== undefined)
      this.#log.error({ error: trouble }, 'outcomes can not be kept on disk; it is tried again');
    else this.#log.info('outcomes are kept on disk again');
    for (const listener of this.#listeners) listener();
  }
}
