import { Mesh } from '../../src/client/mesh.ts';
import { loadConfig } from '../../src/config/load.ts';
import { cutText } from '../../src/domain/cut-text.ts';
import { ClawmeshError, messageOf, onOneLine } from '../../src/domain/errors.ts';
import { waitAtMost } from '../../src/domain/wait-at-most.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { redisTarget } from '../../src/redis/target.ts';

/** How long a person in a chat waits for the mesh, ms. */
const PATIENCE_MS = 8_000;

/** A failed request, as one line for a chat. */
export class MeshTrouble extends Error {}

/** The plugin's connection to the mesh of this Mac: opened at the first request, and again after an error. */
export class MeshLink {
  readonly #file: string | undefined;
  #mesh: Promise<Mesh> | undefined;

  /** @param file path of clawmesh.yaml; by default the search of the command line */
  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** Sends a request to the mesh. @throws MeshTrouble with one line: what is wrong, and the remedy. */
  async use<T>(request: (mesh: Mesh) => Promise<T>): Promise<T> {
    const asked = this.#ask(request).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const reply = await waitAtMost(systemClock, asked, PATIENCE_MS);
    if (reply && 'value' in reply) return reply.value;
    const error = reply?.error;
    const isAnswer = error instanceof ClawmeshError && error.code !== 'redis';
    if (!isAnswer) await this.close();
    throw new MeshTrouble(reply ? inOneLine(error) : 'the mesh does not reply; ask again later');
  }

  async close(): Promise<void> {
    const mesh = this.#mesh;
    this.#mesh = undefined;
    await mesh?.then((open) => open.close()).catch(() => {});
  }

  async #ask<T>(request: (mesh: Mesh) => Promise<T>): Promise<T> {
    this.#mesh ??= openMesh(this.#file);
    const mesh = await this.#mesh;
    try {
      return await request(mesh);
    } catch (error) {
      throw mesh.explain(error);
    }
  }
}

async function openMesh(file: string | undefined): Promise<Mesh> {
  const { config } = await loadConfig({ file, env: process.env });
  return Mesh.connect(config, redisTarget(config, process.env), { role: 'cli', clock: systemClock });
}

function inOneLine(error: unknown): string {
  const remedy = error instanceof ClawmeshError && error.remedy ? ` (${error.remedy})` : '';
  return cutText(onOneLine(messageOf(error) + remedy), 500);
}
