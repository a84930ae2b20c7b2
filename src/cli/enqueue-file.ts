import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import { ClawmeshError } from '../domain/errors.ts';
import type { Enqueued } from '../queue/bullmq/task-producer.ts';
import { checkDefaults, type TaskDefaults, type TaskFields } from '../queue/new-task.ts';
import { outputOf, withMesh } from './context.ts';
import { noteLastTask } from './last-task.ts';
import { jsonText, type Output } from './output.ts';
import { checkIdsWereRead, MOST_NAMED } from './queued-ids.ts';
import { inFlags } from './task-options.ts';
import { TaskFile } from './task-source.ts';
import { QueuedPlaces } from './waiting-reasons.ts';

/** Batches on their way to Redis while the next is prepared. */
const AHEAD = 3;
/** Fewer tasks than this show no progress bar. */
const MANY = 2_000;

/**
 * Queues a file of tasks, one per line, with defaults for fields that a line omits. All lines are checked before any
 * task is queued. An interrupted import resumes at its last position. Prints ids as it proceeds; keeps them in memory
 * only if the caller does not have them printed.
 */
export async function enqueueFile(
  command: Command,
  path: string,
  options: { defaults: TaskDefaults; print: boolean },
): Promise<Enqueued[]> {
  const out = outputOf(command);
  const { fields = {} } = options.defaults;
  const wrong = checkDefaults(fields);
  if (wrong.length > 0) throw new ClawmeshError('usage', inFlags(wrong).join('; '), { remedy: 'nothing was queued' });
  const file = await TaskFile.open(path, options.defaults);
  const all: Enqueued[] = [];
  try {
    const { count, digest, after, nodes } = await file.check();
    await withMesh(command, async (mesh) => {
      for (const id of after) await mesh.task.precedable(id);
      for (const id of nodes) await mesh.task.checkNode(id);
      const taskImport = await mesh.task.beginImport(importDigest(digest, fields));
      const { resumedAt } = taskImport;
      if (resumedAt > 0) {
        out.note(`resuming the import of this file: ${resumedAt} of ${count} tasks are already queued`);
      }
      const show = progressBar(out, count);
      const print = options.print ? new IdPrinter(out) : undefined;
      const firstIds: string[] = [];
      let lastId: string | undefined;
      let done = 0;
      let duplicates = 0;
      const take = (enqueued: readonly Enqueued[]) => {
        if (print) print.add(enqueued);
        else all.push(...enqueued);
        firstIds.push(...enqueued.slice(0, Math.max(0, MOST_NAMED - firstIds.length)).map(({ id }) => id));
        lastId = enqueued.at(-1)?.id ?? lastId;
        done += enqueued.length;
        duplicates += enqueued.filter((task) => task.duplicate).length;
        show?.(done);
      };
      // One batch is prepared while Redis receives the previous one; their order is kept on the single connection.
      const underWay: Promise<Enqueued[]>[] = [];
      const places = new QueuedPlaces();
      for await (const batch of file.tasks()) {
        places.add(batch);
        const queued = taskImport
          .queue(batch, (tasks) => mesh.task.enqueueParsed(tasks))
          .then((tasks) => mesh.task.withStates(tasks));
        queued.catch(() => {}); // awaited below
        if (underWay.push(queued) > AHEAD) take((await underWay.shift()) ?? []);
      }
      for (const queued of underWay) take(await queued);
      if (done !== count) {
        throw new ClawmeshError('failed', `queued only ${done} of ${count} tasks`, {
          remedy: 'run the same command again to queue the rest',
        });
      }
      await taskImport.end();
      await noteLastTask(mesh.config.mesh, lastId);
      print?.end(taskImport.shared);
      if (print) await checkIdsWereRead(firstIds, done);
      if (taskImport.shared) {
        out.note('another import of this file ran at the same time; together they queued each task once');
      }
      if (print) await places.tell(mesh, out);
      const known = duplicates - resumedAt;
      if (known > 0) out.note(knownKeys(known));
    });
  } finally {
    await file.close();
  }
  return all;
}

function knownKeys(count: number): string {
  if (count === 1) return '1 line was not queued again: its key already has a task';
  return `${count} lines were not queued again: their keys already have tasks`;
}

/** The same file with other defaults is a different import. */
function importDigest(file: string, fields: TaskFields): string {
  if (Object.keys(fields).length === 0) return file;
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(file).update(JSON.stringify(sorted)).digest('hex');
}

/** Prints tasks as they are queued: a line each, or one JSON document. */
class IdPrinter {
  readonly #out: Output;
  #first = true;

  constructor(out: Output) {
    this.#out = out;
    if (out.json) out.raw('{"tasks":[');
  }

  add(enqueued: readonly Enqueued[]): void {
    for (const task of enqueued) {
      if (this.#out.json) this.#out.raw(`${this.#first ? '' : ','}${jsonText(task)}`);
      else this.#out.line(task.id);
      this.#first = false;
    }
  }

  /** `shared`: whether another import of the same file ran at the same time. */
  end(shared: boolean): void {
    if (this.#out.json) this.#out.raw(`]${shared ? ',"shared":true' : ''}}\n`);
  }
}

/** A progress bar on a terminal's stderr, for large imports. */
function progressBar(out: Output, total: number): ((done: number) => void) | undefined {
  if (!out.showsProgress || total < MANY) return undefined;
  return (done) => {
    const filled = Math.round((done / total) * 30);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(30 - filled)}`;
    process.stderr.write(`\r${bar} ${done}/${total}${done === total ? '\n' : ''}`);
  };
}
