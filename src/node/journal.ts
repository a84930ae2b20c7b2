import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Claim } from '../domain/claim.ts';
import { ERROR_KINDS, type Outcome } from '../domain/task.ts';

/** Outcomes kept that nobody wants any more; the oldest go first. */
const MAX_DISCARDED = 100;

const outcome: z.ZodType<Outcome> = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    result: z.object({
      text: z.string(),
      usage: z
        .object({ input: z.number(), output: z.number(), total: z.number(), cost: z.number().optional() })
        .nullable(),
      model: z.string().nullable(),
      runId: z.string().nullable(),
      durationMs: z.number(),
    }),
  }),
  z.object({
    ok: z.literal(false),
    error: z.object({ kind: z.enum(ERROR_KINDS), message: z.string(), retryable: z.boolean() }),
  }),
]);

const entrySchema = z.object({
  taskId: z.string(),
  pool: z.string(),
  attempt: z.number(),
  handovers: z.number(),
  endedAt: z.string(),
  outcome,
});
export type JournalEntry = z.infer<typeof entrySchema>;

/** Where a node keeps its journal: `$CLAWMESH_HOME` or `~/.clawmesh`, then `<mesh>/nodes/<node id>/outcomes`. */
export function journalFolder(mesh: string, nodeId: string, env: NodeJS.ProcessEnv): string {
  return join(env.CLAWMESH_HOME || join(env.HOME || homedir(), '.clawmesh'), mesh, 'nodes', nodeId, 'outcomes');
}

/**
 * Outcomes of runs that ended while Redis could not be told, on the node's own disk: delivered when Redis is back, also by
 * the next life of the daemon, as long as the claim is still the node's. One that is not is kept as discarded.
 */
export class Journal {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(join(folder, 'discarded'), { recursive: true, mode: 0o700 });
  }

  get folder(): string {
    return this.#folder;
  }

  /** Writes the outcome so that it is there whole or not at all, whatever happens next. */
  write(claim: Claim, result: Outcome): void {
    const { taskId, pool, attempt, handovers } = claim;
    const entry: JournalEntry = {
      taskId,
      pool,
      attempt,
      handovers,
      endedAt: new Date().toISOString(),
      outcome: result,
    };
    const file = this.#file(entry);
    const fd = openSync(`${file}.new`, 'w', 0o600);
    try {
      writeSync(fd, JSON.stringify(entry));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${file}.new`, file);
  }

  /** The outcome has been delivered. */
  remove(claim: Pick<JournalEntry, 'taskId' | 'attempt' | 'handovers'>): void {
    rmSync(this.#file(claim), { force: true });
  }

  /** The task is somebody else's by now; the outcome is kept for whoever wants to look. */
  discard(claim: Pick<JournalEntry, 'taskId' | 'attempt' | 'handovers'>): void {
    try {
      renameSync(this.#file(claim), join(this.#folder, 'discarded', this.#name(claim)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    for (const name of this.#names('discarded').slice(0, -MAX_DISCARDED)) rmSync(join(this.#folder, 'discarded', name));
  }

  /** What has not been delivered, oldest first. */
  pending(): JournalEntry[] {
    return this.#names('').flatMap((name) => {
      try {
        return [entrySchema.parse(JSON.parse(readFileSync(join(this.#folder, name), 'utf8')))];
      } catch {
        // Not ours, or from a disk that broke; it stays where it is.
        return [];
      }
    });
  }

  /** How many outcomes wait, and how many were discarded. */
  counts(): { pending: number; discarded: number } {
    return { pending: this.#names('').length, discarded: this.#names('discarded').length };
  }

  #names(folder: string): string[] {
    return readdirSync(join(this.#folder, folder))
      .filter((name) => name.endsWith('.json'))
      .sort();
  }

  #file(claim: Pick<JournalEntry, 'taskId' | 'attempt' | 'handovers'>): string {
    return join(this.#folder, this.#name(claim));
  }

  #name({ taskId, attempt, handovers }: Pick<JournalEntry, 'taskId' | 'attempt' | 'handovers'>): string {
    return `${taskId}-${attempt}-${handovers}.json`;
  }
}
