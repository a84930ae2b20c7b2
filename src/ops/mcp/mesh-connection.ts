import type { Mesh } from '../../client/mesh.ts';
import type { Clock } from '../../domain/clock.ts';

/** How long an idempotent call outlasts an outage, ms. Longer than one command's timeout, which reveals a dead link. */
const PATIENCE_MS = 5_000;

/** Opens the mesh when the first tool needs it, and keeps it. If that fails, the next call tries again. */
export class MeshConnection {
  readonly #connect: () => Promise<Mesh>;
  readonly #clock: Clock;
  #mesh: Promise<Mesh> | undefined;

  constructor(connect: () => Promise<Mesh>, clock: Clock) {
    this.#connect = connect;
    this.#clock = clock;
  }

  /** @throws ClawmeshError `redis` with one line of what is wrong and what to do. */
  async run<T>(act: (mesh: Mesh) => Promise<T>): Promise<T> {
    const mesh = await this.#open();
    try {
      return await act(mesh);
    } catch (error) {
      throw mesh.explain(error);
    }
  }

  /**
   * As {@link run}, for a call that may reach Redis twice: it only reads, or a repetition changes nothing. It outlasts a
   * short outage, and a connection that died while this machine slept.
   */
  async runIdempotent<T>(act: (mesh: Mesh) => Promise<T>): Promise<T> {
    return this.run((mesh) => mesh.throughOutages(() => act(mesh), { until: this.#clock.monotonic() + PATIENCE_MS }));
  }

  /** Disconnects. Calls under way fail. */
  async close(): Promise<void> {
    await this.#mesh?.then((mesh) => mesh.close()).catch(() => {});
  }

  async #open(): Promise<Mesh> {
    this.#mesh ??= this.#connect().catch((error: unknown) => {
      this.#mesh = undefined;
      throw error;
    });
    return this.#mesh;
  }
}
