import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { NewTask } from '../domain/task.ts';
import { parseNewTask, type TaskInput, toNewTask } from '../queue/new-task.ts';

/** Longest line of a file of tasks, and longest file of one message, in characters: a message of 1 MiB fits, however it's escaped. */
const MAX_TEXT = 8 * 1024 * 1024;

/** A file's text, or standard input's for `-`. @throws ClawmeshError `usage`. */
export async function readSource(file: string): Promise<string> {
  try {
    let text = '';
    for await (const chunk of file === '-' ? process.stdin.setEncoding('utf8') : createReadStream(file, 'utf8')) {
      text += chunk;
      if (text.length > MAX_TEXT) throw new Error(`is longer than ${MAX_TEXT} characters`);
    }
    return text;
  } catch (error) {
    throw new ClawmeshError('usage', `${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

/** How many of a file's problems are told at once. */
const MAX_PROBLEMS = 5;

/** Tasks read at a time: as many as go to Redis in one pipeline. */
const BATCH = 1_000;

/** What is known of a file of tasks once every line has been checked. */
export interface TaskFileFacts {
  readonly count: number;
  /** SHA-256 of its tasks: the same file again is the same import. */
  readonly digest: string;
  /** Ids of all tasks that others come after. */
  readonly after: ReadonlySet<string>;
  /** Ids of all nodes that tasks are for. */
  readonly nodes: ReadonlySet<string>;
}

/**
 * A file of tasks in JSON Lines, one object per line, blank lines left out. It is read twice, once to check every line and
 * once to queue them, and never held in memory; standard input goes to a temporary file first.
 */
export class TaskFile {
  readonly #path: string;
  readonly #label: string;
  readonly #defaults: { attempts: number };
  readonly #folder: string | undefined;
  /** Digest of each batch that was checked, so that only those lines are queued. */
  readonly #checked: string[] = [];

  private constructor(options: { path: string; label: string; defaults: { attempts: number }; folder?: string }) {
    this.#path = options.path;
    this.#label = options.label;
    this.#defaults = options.defaults;
    this.#folder = options.folder;
  }

  static async open(file: string, defaults: { attempts: number }): Promise<TaskFile> {
    if (file !== '-') return new TaskFile({ path: file, label: file, defaults });
    const folder = mkdtempSync(join(tmpdir(), 'clawmesh-tasks-'));
    const path = join(folder, 'stdin.jsonl');
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }));
    return new TaskFile({ path, label: 'standard input', defaults, folder });
  }

  /** Checks every line. @throws ClawmeshError `usage` with file and line number of the first few problems. */
  async check(): Promise<TaskFileFacts> {
    const problems = new Problems(this.#label);
    const lineOfKey = new Map<string, number>();
    const after = new Set<string>();
    const nodes = new Set<string>();
    const whole = createHash('sha256');
    let count = 0;
    for await (const lines of this.#batches()) {
      const digest = digestOf(lines);
      this.#checked.push(digest);
      whole.update(digest);
      count += lines.length;
      for (const { text, number } of lines) {
        const task = parseLine(text, this.#defaults);
        if ('problems' in task) {
          for (const problem of task.problems) problems.add(number, problem);
          continue;
        }
        for (const { id } of task.after ?? []) after.add(id);
        if (task.node !== undefined) nodes.add(task.node);
        if (task.key === undefined) continue;
        const other = lineOfKey.get(task.key);
        if (other === undefined) lineOfKey.set(task.key, number);
        else problems.add(number, `key: ${JSON.stringify(task.key)} is that of line ${other} too`);
      }
    }
    problems.throwIfAny();
    if (count > 0) return { count, digest: whole.digest('hex'), after, nodes };
    throw new ClawmeshError('usage', `${this.#label} has no tasks`, { remedy: 'one JSON object per line' });
  }

  /** The tasks that {@link check} has checked, some at a time. @throws ClawmeshError `usage` where the file has changed. */
  async *tasks(): AsyncGenerator<NewTask[]> {
    let index = 0;
    for await (const lines of this.#batches()) {
      if (digestOf(lines) !== this.#checked[index++]) {
        throw new ClawmeshError('usage', `${this.#label} has changed while it was read`, {
          remedy: 'tasks before the change are queued',
        });
      }
      yield lines.map(({ text }) => toNewTask(JSON.parse(text) as TaskInput, this.#defaults));
    }
  }

  close(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }

  async *#batches(): AsyncGenerator<Line[]> {
    let batch: Line[] = [];
    let number = 0;
    let rest = '';
    const take = (text: string) => {
      number++;
      if (text.trim() !== '') batch.push({ text, number });
    };
    try {
      for await (const chunk of createReadStream(this.#path, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > MAX_TEXT) {
          throw new ClawmeshError(
            'usage',
            `${this.#label}:${number + lines.length + 1}: the line is longer than ${MAX_TEXT} characters`,
            {
              remedy: 'one JSON object per line',
            },
          );
        }
        for (const line of lines) {
          take(line);
          if (batch.length < BATCH) continue;
          yield batch;
          batch = [];
        }
      }
    } catch (error) {
      if (error instanceof ClawmeshError) throw error;
      throw new ClawmeshError('usage', `${this.#label} can't be read: ${messageOf(error)}`, { cause: error });
    }
    take(rest);
    if (batch.length > 0) yield batch;
  }
}

const CHUNK_BYTES = 256 * 1024;

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Collects what is wrong with the lines of a file; the first few are told. */
class Problems {
  readonly #label: string;
  readonly #told: string[] = [];
  #count = 0;

  constructor(label: string) {
    this.#label = label;
  }

  add(line: number, text: string): void {
    if (++this.#count <= MAX_PROBLEMS) this.#told.push(`${this.#label}:${line}: ${text}`);
  }

  throwIfAny(): void {
    if (this.#count === 0) return;
    const more = this.#count - this.#told.length;
    const told = [...this.#told, ...(more > 0 ? [`and ${more} more`] : [])];
    throw new ClawmeshError('usage', told.join('\n'), { remedy: 'nothing was queued' });
  }
}

function digestOf(lines: readonly Line[]): string {
  const hash = createHash('sha256');
  for (const { text } of lines) hash.update(text).update('\n');
  return hash.digest('hex');
}

function parseLine(line: string, defaults: { attempts: number }): NewTask | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { problems: [`not valid JSON: ${messageOf(error)}`] };
  }
  return parseNewTask(value, defaults);
}
