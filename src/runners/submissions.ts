import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../domain/errors.ts';
import { makeFolder, makeFolderSync } from '../platform/make-folder.ts';

/** Largest valid record, bytes: a record has some hundred. */
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

/** A run that the gateway has received, or may have. */
export interface Submission {
  /** Also the run's idempotency key. */
  readonly runId: string;
  readonly sessionKey: string;
  /** The requested agent; without one, the session belongs to the gateway's default agent. */
  readonly agent?: string | undefined;
  /** `bootId` of the gateway to which the run was sent. */
  readonly boot: string;
  /** Whether that gateway has confirmed the run. Until then it may never have received it. */
  readonly accepted: boolean;
  /** When OpenClaw itself ends the run at the latest, ms since the epoch by this machine's clock. */
  readonly endsBy: number;
  /** `abort`: the run must not continue, and the gateway has not yet confirmed its stop. */
  readonly state: 'running' | 'abort';
}

/**
 * The runs that this node has submitted to its gateway and whose end is unknown: one file per run, written before the
 * submission and removed once the end is known. So after a kill the daemon finds its runs again, under any session key.
 *
 * A file that can't be written stops no work; {@link trouble} reports it until the write succeeds.
 */
export class Submissions {
  readonly #folder: string | undefined;
  readonly #known = new Map<string, Submission>();
  /** The last write of each run's file that is under way. */
  readonly #writing = new Map<string, Promise<void>>();
  /** Runs whose file is out of date. */
  readonly #unsaved = new Set<string>();
  #loaded = false;
  #trouble: string | null = null;

  /** @param folder undefined to keep records only in this process. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
    this.#load();
  }

  /** Why files are out of date; null if none is. */
  get trouble(): string | null {
    return this.#trouble;
  }

  get(runId: string): Submission | undefined {
    return this.#known.get(runId);
  }

  all(): Submission[] {
    return [...this.#known.values()];
  }

  /** Resolves once the record is on disk, or could not be written. */
  async put(submission: Submission): Promise<void> {
    this.#known.set(submission.runId, submission);
    await this.#save(submission.runId);
  }

  /** Removes a run whose end is known. Resolves once that is on disk, or could not be written. */
  async remove(runId: string): Promise<void> {
    if (!this.#known.delete(runId)) return;
    await this.#save(runId);
  }

  /** Retries failed reads and writes. */
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

  /** One write of a file at a time; each writes the state at its start. */
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
    if (error !== undefined) this.#trouble = `can't record runs in ${this.#folder}: ${messageOf(error)}`;
    else if (this.#loaded && this.#unsaved.size === 0) this.#trouble = null;
  }
}

/** Whether a node has left runs in its gateway, according to this folder. */
export function hasSubmissions(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
}

/** Hashed, since a run's name contains the task id, which may have any characters and any length. */
function fileName(runId: string): string {
  return `${createHash('sha256').update(runId).digest('hex').slice(0, 32)}.json`;
}

/** Undefined if the file is unreadable or not a valid record; the file is kept. */
function readRecord(file: string): Submission | undefined {
  try {
    if (statSync(file).size > MAX_RECORD_BYTES) return undefined;
    return submissionSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Writes the file atomically: it is either complete or unchanged, also after a power cut. */
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
