import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../domain/errors.ts';
import { makeFolder, makeFolderSync } from '../platform/make-folder.ts';

/** A record of ours has some hundred bytes; a longer file is none, bytes. */
const MAX_RECORD_BYTES = 65_536;

const submissionSchema = z.object({
  runId: z.string(),
  sessionKey: z.string(),
  agent: z.string().optional(),
  boot: z.string(),
  accepted: z.boolean(),
  endsBy: z.number(),
  state: z.enum(['running', 'abort']),
});

/** A run that the gateway has, or may have, been given. */
export interface Submission {
  /** Also its idempotency key. */
  readonly runId: string;
  readonly sessionKey: string;
  /** The agent that was asked for; without one the gateway's default agent has the session. */
  readonly agent?: string | undefined;
  /** `bootId` of the gateway that it was sent to. */
  readonly boot: string;
  /** Whether that gateway has said that it took the run. Until then it may never have got it. */
  readonly accepted: boolean;
  /** When OpenClaw itself ends the run at the latest, ms since the epoch by this machine's clock. */
  readonly endsBy: number;
  /** `abort`: the run must not go on, and the gateway has not confirmed yet that it doesn't. */
  readonly state: 'running' | 'abort';
}

/**
 * What this node has submitted to its gateway and knows no end of: one file per run, written before the run is submitted
 * and removed once its end is known. So a daemon that was killed finds its runs again, under whatever session key.
 *
 * A file that can't be written stops nothing; {@link trouble} says so until it could be.
 */
export class Submissions {
  readonly #folder: string | undefined;
  readonly #known = new Map<string, Submission>();
  /** The last write of each run's file that is under way. */
  readonly #writing = new Map<string, Promise<void>>();
  /** Runs whose file is not what it should be. */
  readonly #unsaved = new Set<string>();
  #loaded = false;
  #trouble: string | null = null;

  /** @param folder without one nothing is kept beyond this process. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
    this.#load();
  }

  /** Why the files are not what they should be; null if they are. */
  get trouble(): string | null {
    return this.#trouble;
  }

  get(runId: string): Submission | undefined {
    return this.#known.get(runId);
  }

  all(): Submission[] {
    return [...this.#known.values()];
  }

  /** Resolves once it is on disk, or could not be written. */
  async put(submission: Submission): Promise<void> {
    this.#known.set(submission.runId, submission);
    await this.#save(submission.runId);
  }

  /** The end of the run is known. Resolves once that is on disk, or could not be written. */
  async remove(runId: string): Promise<void> {
    if (!this.#known.delete(runId)) return;
    await this.#save(runId);
  }

  /** Tries again what failed. */
  async mend(): Promise<void> {
    if (!this.#loaded) this.#load();
    await Promise.all([...this.#unsaved].map((runId) => this.#save(runId)));
  }

  #load(): void {
    const folder = this.#folder;
    if (folder === undefined) return;
    try {
      makeFolderSync(folder);
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
        const found = readRecord(join(folder, name));
        if (found && fileName(found.runId) === name && !this.#known.has(found.runId)) {
          this.#known.set(found.runId, found);
        }
      }
      this.#loaded = true;
      this.#troubled();
    } catch (error) {
      this.#troubled(error);
    }
  }

  /** One write of a file at a time; each writes what is so by then. */
  async #save(runId: string): Promise<void> {
    if (this.#folder === undefined) return;
    const before = this.#writing.get(runId);
    const write = (before ?? Promise.resolve()).then(() => this.#write(runId));
    this.#writing.set(runId, write);
    await write;
    if (this.#writing.get(runId) === write) this.#writing.delete(runId);
  }

  async #write(runId: string): Promise<void> {
    const file = join(this.#folder ?? '', fileName(runId));
    const submission = this.#known.get(runId);
    try {
      if (submission) await writeWhole(this.#folder ?? '', file, JSON.stringify(submission));
      else await rm(file, { force: true });
      this.#unsaved.delete(runId);
      this.#troubled();
    } catch (error) {
      this.#unsaved.add(runId);
      this.#troubled(error);
    }
  }

  #troubled(error?: unknown): void {
    if (error !== undefined) this.#trouble = `runs can not be noted in ${this.#folder}: ${messageOf(error)}`;
    else if (this.#loaded && this.#unsaved.size === 0) this.#trouble = null;
  }
}

/** Whether a node has left runs in its gateway, as far as this folder tells. */
export function hasSubmissions(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
}

/** A run's name holds the task's id, which may be anything and of any length. */
function fileName(runId: string): string {
  return `${createHash('sha256').update(runId).digest('hex').slice(0, 32)}.json`;
}

/** Undefined for what is no record of ours, or from a disk that broke; it stays where it is. */
function readRecord(file: string): Submission | undefined {
  try {
    if (statSync(file).size > MAX_RECORD_BYTES) return undefined;
    return submissionSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Writes the file so that it is there whole or not at all, also after a power cut. */
async function writeWhole(folder: string, file: string, text: string): Promise<void> {
  await makeFolder(folder);
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  const entries = await open(folder, 'r');
  try {
    await entries.sync();
  } finally {
    await entries.close();
  }
}
