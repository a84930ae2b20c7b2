import type { MeshSchedules } from '../../client/schedules.ts';
import type { CronJob } from '../../domain/cron-job.ts';
import { hasCode } from '../../domain/errors.ts';
import type { ImportedJob, ImportedJobs } from '../../queue/imported-jobs.ts';
import { type Translated, type TranslateOptions, translate } from './translate.ts';

/** A gateway whose cron jobs become schedules. */
export interface CronGateway {
  /** Tells the gateways of a mesh apart. */
  readonly id: string;
  /** All jobs, disabled ones included. */
  list(): Promise<CronJob[]>;
  setEnabled(id: string, enabled: boolean): Promise<void>;
}

/** Where the jobs go. */
export interface ImportTarget {
  readonly schedules: Pick<MeshSchedules, 'add' | 'list' | 'find' | 'remove' | 'setPaused'>;
  readonly imported: Pick<ImportedJobs, 'list' | 'put' | 'remove'>;
}

/** What the import did with a job of the gateway, or would do. */
export interface JobReport {
  /** Id of the job in its gateway. */
  readonly id: string;
  /** Name of the job. */
  readonly name: string;
  /** The schedule of the mesh that does the same; null if the job stays in OpenClaw. */
  readonly schedule: string | null;
  /**
   * `imported`: a schedule of the mesh, disabled in its gateway. `merged`: as `imported`, but the schedule existed since
   * another gateway has the same job. `unchanged`: imported earlier. `stays`: nothing was changed. `restored`: enabled in
   * its gateway again, its schedule removed. `gone`: its gateway no longer has the job, so its schedule stays.
   */
  readonly outcome: 'imported' | 'merged' | 'unchanged' | 'stays' | 'restored' | 'gone';
  /** Why the job stays in OpenClaw; null otherwise. */
  readonly reason: string | null;
}

export interface ImportOptions extends TranslateOptions {
  /** Report what would be done, and change nothing. */
  readonly dryRun: boolean;
}

/**
 * Makes the enabled cron jobs of a gateway schedules of the mesh and disables them there. It reports each job as soon as
 * it is done, so that after an error the caller knows how far it came; importing again resumes.
 *
 * A job is first noted as begun, then disabled, then added as a schedule. So a kill in between can skip a run of the
 * job, and never runs it twice.
 *
 * @throws ClawmeshError `failed` from the gateway, `redis` from the mesh.
 */
export async function* importJobs(
  gateway: CronGateway,
  target: ImportTarget,
  options: ImportOptions,
): AsyncGenerator<JobReport> {
  const jobs = await gateway.list();
  const schedules = new ScheduleNames(
    (await target.schedules.list()).map(({ name }) => name),
    await target.imported.list(),
  );
  for (const job of jobs) {
    const earlier = schedules.importOf(gateway.id, job.id);
    if (!job.enabled && earlier?.state !== 'begun') {
      if (earlier) yield report(job, 'unchanged', earlier.schedule);
      continue;
    }
    const translated = translate(job, options);
    if (typeof translated === 'string') {
      yield { ...report(job, 'stays', null), reason: translated };
      continue;
    }
    const { name: schedule, isNew } = schedules.nameFor(translated);
    const note: ImportedJob = {
      gateway: gateway.id,
      id: job.id,
      name: job.name,
      schedule,
      digest: translated.digest,
      state: 'begun',
    };
    if (!options.dryRun) await move({ job, translated, note, isNew }, gateway, target);
    schedules.add({ ...note, state: 'done' });
    yield report(job, isNew ? 'imported' : 'merged', schedule);
  }
}

/**
 * Enables the jobs again that were imported from this gateway, and removes their schedules.
 *
 * @throws see {@link importJobs}.
 */
export async function* undoImport(
  gateway: CronGateway,
  target: ImportTarget,
  options: { readonly dryRun: boolean },
): AsyncGenerator<JobReport> {
  const jobs = new Map((await gateway.list()).map((job) => [job.id, job]));
  const imported = (await target.imported.list()).filter((job) => job.gateway === gateway.id);
  for (const note of imported) {
    const job = jobs.get(note.id);
    if (!options.dryRun && job) await giveBack(job, note, gateway, target);
    if (!options.dryRun) await target.imported.remove(note);
    yield report(note, job ? 'restored' : 'gone', note.schedule);
  }
}

interface Move {
  readonly job: CronJob;
  readonly translated: Translated;
  readonly note: ImportedJob;
  readonly isNew: boolean;
}

async function move({ job, translated, note, isNew }: Move, gateway: CronGateway, target: ImportTarget): Promise<void> {
  const { schedules, imported } = target;
  await imported.put(note);
  if (job.enabled) await gateway.setEnabled(job.id, false);
  if (isNew) {
    const { times, task, firstAt } = translated;
    try {
      await schedules.add(note.schedule, times, task, { firstAt });
    } catch (error) {
      // The job must run somewhere. If Redis is away, its note stays as begun, which does no harm.
      await gateway.setEnabled(job.id, true);
      await imported.remove(note).catch(() => {});
      throw error;
    }
  }
  await imported.put({ ...note, state: 'done' });
}

/** The schedule is paused while its job is enabled, so that the two never run at the same time. */
async function giveBack(job: CronJob, note: ImportedJob, gateway: CronGateway, target: ImportTarget): Promise<void> {
  const { schedules } = target;
  const exists = await settled(schedules.setPaused(note.schedule, true));
  try {
    if (!job.enabled) await gateway.setEnabled(job.id, true);
  } catch (error) {
    if (exists) await schedules.setPaused(note.schedule, false);
    throw error;
  }
  if (exists) await settled(schedules.remove(note.schedule));
}

/** False if there is no such schedule. */
async function settled(change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (hasCode(error, 'not-found')) return false;
    throw error;
  }
}

/** Which schedules exist, and which of them do the work of an imported job. */
class ScheduleNames {
  readonly #existing: Set<string>;
  readonly #imported: ImportedJob[];

  constructor(existing: readonly string[], imported: readonly ImportedJob[]) {
    this.#existing = new Set(existing);
    this.#imported = [...imported];
  }

  importOf(gateway: string, id: string): ImportedJob | undefined {
    return this.#imported.find((job) => job.gateway === gateway && job.id === id);
  }

  /** The schedule that does the same already, or a free name for a new one. */
  nameFor({ name, digest }: Translated): { name: string; isNew: boolean } {
    const same = this.#imported.find((job) => job.digest === digest);
    if (same) return { name: same.schedule, isNew: !this.#existing.has(same.schedule) };
    return { name: this.#existing.has(name) ? `${name}-${digest.slice(0, 8)}` : name, isNew: true };
  }

  add(job: ImportedJob): void {
    this.#existing.add(job.schedule);
    this.#imported.push(job);
  }
}

function report(job: { id: string; name: string }, outcome: JobReport['outcome'], schedule: string | null): JobReport {
  return { id: job.id, name: job.name, schedule, outcome, reason: null };
}
