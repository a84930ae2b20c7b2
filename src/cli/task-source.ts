import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { counted } from '../domain/counted.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { NewTask } from '../domain/task.ts';
import { utf8Problem, utf8Text, withoutMark } from '../domain/text.ts';
import { parseNewTask, type TaskDefaults, type TaskInput, toNewTask } from '../queue/new-task.ts';
import { Spool } from './spool.ts';

/** Longest line of a task file, and longest message file, bytes: a message of 1 MiB fits, however it is escaped. */
const MAX_TEXT = 8 * 1024 * 1024;
const MAX_TEXT_MIB = MAX_TEXT / 1024 / 1024;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** The bytes of a file, or of standard input. A pipe can be read only once. */
function open(file: string): Readable {
  const isInput = file === '-' || file === '/dev/stdin';
  return isInput ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
}

/** A file's text, or that of standard input for `-`. @throws ClawmeshError `usage`. */
export async function readSource(file: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of open(file)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_TEXT) throw new Error(`longer than ${MAX_TEXT_MIB} MiB`);
    }
    return utf8Text(Buffer.concat(chunks));
  } catch (error) {
    const label = file === '-' ? 'standard input' : file;
    throw new ClawmeshError('usage', `${label} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Maximum number of a file's problems to report. */
const MAX_PROBLEMS = 5;

/** Tasks read at a time: as many as one Redis pipeline sends, and fewer if they are long. */
const BATCH = 1_000;
const BATCH_BYTES = 16 * 1024 * 1024;

/** The facts about a task file once every line has been checked. */
export interface TaskFileFacts {
  readonly count: number;
  /** SHA-256 of its tasks: the same file again is the same import. */
  readonly digest: string;
  /** Ids of all tasks that other tasks come after. */
  readonly after: ReadonlySet<string>;
  /** Ids of all nodes that tasks are for. */
  readonly nodes: ReadonlySet<string>;
}

/**
 * A file of tasks in JSON Lines, one object per line; blank lines are skipped. It is read once: each line is checked
 * and copied to a temporary file. Tasks are queued from that copy, so later changes of the source have no effect. The
 * file is never held in memory.
 */
export class TaskFile {
  readonly #path: string;
  readonly #label: string;
  readonly #defaults: TaskDefaults;
  readonly #spool: Spool;

  private constructor(path: string, defaults: TaskDefaults, spool: Spool) {
    this.#path = path;
    this.#label = path === '-' ? 'standard input' : path;
    this.#defaults = defaults;
    this.#spool = spool;
  }

  /** @throws ClawmeshError `failed` if no temporary file can be created. */
  static async open(file: string, defaults: TaskDefaults): Promise<TaskFile> {
    return new TaskFile(file, defaults, await Spool.open());
  }

  /** Checks every line. @throws ClawmeshError `usage` with file and line number of the first few problems. */
  async check(): Promise<TaskFileFacts> {
    const problems = new Problems(this.#label);
    const lineOfKey = new Map<string, number>();
    const after = new Set<string>();
    const nodes = new Set<string>();
    const digest = createHash('sha256');
    let count = 0;
    for await (const batch of this.#batches(open(this.#path))) {
      const kept = Buffer.from(batch.map(({ text }) => `${text}\n`).join(''));
      await this.#spool.write(kept);
      digest.update(kept);
      count += batch.length;
      for (const { text, number } of batch) {
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
        else
          problems.add(
            number,
            `key: ${JSON.stringify(task.key)} is already used on line ${other}${this.#keyHint(task.key)}`,
          );
      }
    }
    problems.throwIfAny();
    if (count > 0) return { count, digest: digest.digest('hex'), after, nodes };
    throw new ClawmeshError('usage', `${this.#label} contains no tasks`, { remedy: 'write one JSON object per line' });
  }

  /** The tasks that {@link check} has checked, in batches. */
  async *tasks(): AsyncGenerator<NewTask[]> {
    for await (const batch of this.#batches(this.#spool.read())) {
      yield batch.map(({ text }) => toNewTask(JSON.parse(text) as TaskInput, this.#defaults));
    }
  }

  async close(): Promise<void> {
    await this.#spool.close();
  }

  #keyHint(key: string): string {
    return key === this.#defaults.fields?.key ? '; --key sets it for every line, so give each line its own key' : '';
  }

  /** The lines in batches, without blank ones. @throws ClawmeshError `usage` if one is too long, or not UTF-8. */
  async *#batches(source: Readable): AsyncGenerator<Line[]> {
    let batch: Line[] = [];
    let bytes = 0;
    try {
      for await (const { line, number } of linesOf(source)) {
        const problem = line.length > MAX_TEXT ? `the line is longer than ${MAX_TEXT_MIB} MiB` : utf8Problem(line);
        if (problem !== undefined) {
          throw new ClawmeshError('usage', `${this.#label}:${number}: ${problem}`, { remedy: 'nothing was queued' });
        }
        const text = withoutMark(line.toString('utf8'));
        if (text.trim() === '') continue;
        batch.push({ text, number });
        bytes += line.length;
        if (batch.length < BATCH && bytes < BATCH_BYTES) continue;
        yield batch;
        [batch, bytes] = [[], 0];
      }
    } catch (error) {
      if (error instanceof ClawmeshError) throw error;
      throw new ClawmeshError('usage', `${this.#label} can't be read: ${messageOf(error)}`, { cause: error });
    }
    if (batch.length > 0) yield batch;
  }
}

/** The lines of a text, numbered from 1. A line longer than {@link MAX_TEXT} is not read to its end. */
async function* linesOf(source: Readable): AsyncGenerator<{ line: Buffer; number: number }> {
  let number = 0;
  let rest: Buffer[] = [];
  let length = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield { line: Buffer.concat([...rest, chunk.subarray(start, end)]), number: ++number };
      [rest, length, start] = [[], 0, end + 1];
    }
    rest.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MAX_TEXT) break;
  }
  yield { line: Buffer.concat(rest), number: number + 1 };
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Collects the problems of a file's lines, and reports the first few. */
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
    const told = [...this.#told, ...(more > 0 ? [`and ${counted(more, 'more problem')}`] : [])];
    throw new ClawmeshError('usage', told.join('\n'), { remedy: 'nothing was queued' });
  }
}

function parseLine(line: string, defaults: TaskDefaults): NewTask | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { problems: [`not valid JSON: ${messageOf(error)}`] };
  }
  return parseNewTask(value, defaults);
}
