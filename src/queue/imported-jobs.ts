import type { Redis } from 'ioredis';
import * as z from 'zod';
import { ClawmeshError } from '../domain/errors.ts';
import type { MeshKeys } from '../redis/keys.ts';

/** Maximum number of remembered jobs: ten gateways with as many jobs as the mesh may have schedules. */
export const MOST_IMPORTED = 10_000;
const MOST_IMPORTED_HINT = 'undo the import from gateways that are gone: clawmesh schedule import-openclaw --undo';

const importedJob = z.object({
  /** Id of the gateway whose cron has the job. */
  gateway: z.string(),
  /** Id of the job in that gateway. */
  id: z.string(),
  /** Name of the job, for people. */
  name: z.string(),
  /** Schedule that does the same. */
  schedule: z.string(),
  /** What the job does and when; equal for the same job in several gateways. */
  digest: z.string(),
  /** `begun` until the job is disabled in its gateway and the schedule exists. */
  state: z.enum(['begun', 'done']),
});
/** A cron job of a gateway that this mesh has taken over. */
export type ImportedJob = Readonly<z.infer<typeof importedJob>>;

/** The cron jobs of OpenClaw gateways that are schedules of the mesh now, so that an operator can undo that. */
export class ImportedJobs {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async list(): Promise<ImportedJob[]> {
    const texts = Object.values(await this.#redis.hgetall(this.#keys.importedJobs));
    return texts.flatMap((text) => parsed(text) ?? []);
  }

  /** Remembers a job, or its new state. @throws ClawmeshError `failed` if there are too many. */
  async put(job: ImportedJob): Promise<void> {
    const field = fieldOf(job);
    const [known, count] = await Promise.all([
      this.#redis.hexists(this.#keys.importedJobs, field),
      this.#redis.hlen(this.#keys.importedJobs),
    ]);
    if (known === 0 && count >= MOST_IMPORTED) {
      throw new ClawmeshError('failed', `the mesh has already imported ${count} cron jobs`, {
        remedy: MOST_IMPORTED_HINT,
      });
    }
    await this.#redis.hset(this.#keys.importedJobs, field, JSON.stringify(job));
  }

  async remove(job: Pick<ImportedJob, 'gateway' | 'id'>): Promise<void> {
    await this.#redis.hdel(this.#keys.importedJobs, fieldOf(job));
  }
}

function fieldOf({ gateway, id }: Pick<ImportedJob, 'gateway' | 'id'>): string {
  return `${gateway} ${id}`;
}

function parsed(text: string): ImportedJob | undefined {
  try {
    return importedJob.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
