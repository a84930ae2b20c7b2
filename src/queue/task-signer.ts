import { createHmac, timingSafeEqual } from 'node:crypto';
import { type StoredSpec, storedSpec } from './bullmq/task-fields.ts';

/**
 * Signs tasks at enqueue, and tells a node whether to run them. So write access to Redis without the key is not enough
 * to make a node run a task.
 *
 * The signature is an HMAC-SHA256 over the content to run, the mesh, the pool and the id. It is worthless for another
 * task, and for a copy in another mesh with the same key. Tasks of a schedule share one signature, with the schedule's
 * name in place of the id.
 */
export class TaskSigner {
  readonly #keys: readonly string[];
  readonly #mesh: string;

  /**
   * The first key signs; the others are being phased out, and are still accepted. Without a key, nothing is signed or
   * checked. `mesh` is the prefix of all keys of the mesh, which is unique in its Redis.
   */
  constructor(keys: readonly string[], mesh: string) {
    this.#keys = keys.filter((key) => key !== '');
    this.#mesh = mesh;
  }

  /** The task to store: with its signature, if there is a key. */
  signed(spec: StoredSpec, pool: string, subject: { id: string } | { schedule: string }): StoredSpec {
    const [key] = this.#keys;
    if (key === undefined) return spec;
    const name = 'id' in subject ? subjectOf(subject.id) : `schedule ${subject.schedule}`;
    return { ...spec, sig: this.#hmac(key, spec, pool, name).toString('base64url') };
  }

  /** Why a node must not run the task; undefined if it may. */
  problem(spec: StoredSpec, pool: string, id: string): string | undefined {
    if (this.#keys.length === 0) return undefined;
    if (spec.sig === undefined) return 'the task is not signed, and this mesh runs only signed tasks';
    const found = Buffer.from(spec.sig, 'base64url');
    const right = this.#keys
      .map((key) => this.#hmac(key, spec, pool, subjectOf(id)))
      .some((expected) => expected.length === found.length && timingSafeEqual(expected, found));
    return right
      ? undefined
      : 'the signature of the task is wrong: the task was altered or copied, or signed with another key';
  }

  #hmac(key: string, spec: StoredSpec, pool: string, subject: string): Buffer {
    // Sign what a node will read: with defaults applied, and without unknown fields.
    const { sig: _sig, ...read } = storedSpec.parse(spec);
    return createHmac('sha256', key)
      .update(JSON.stringify(['clawmesh task 2', this.#mesh, subject, pool, canonical(read)]))
      .digest();
  }
}

/** BullMQ gives the tasks of a schedule the ids `repeat:<name>:<due>`. */
function subjectOf(id: string): string {
  const schedule = /^repeat:(.*):\d+$/s.exec(id)?.[1];
  return schedule === undefined ? `task ${id}` : `schedule ${schedule}`;
}

/** A form that does not depend on the order of keys; undefined properties count as missing. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => [name, canonical(item)]);
}
