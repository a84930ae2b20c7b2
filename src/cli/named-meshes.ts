import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { homeFolder } from '../config/home.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { POOL_NAME } from '../domain/names.ts';
import { notFound } from '../domain/not-found.ts';
import { makeFolderSync } from '../platform/make-folder.ts';

const storedMeshes = z.strictObject({
  inUse: z.string().nullable(),
  /** Name → path of its config file. */
  meshes: z.record(z.string(), z.string()),
});

/** A mesh that this user has added under a name. */
export interface NamedMesh {
  /** The name on this machine; the config has a name of its own. */
  readonly name: string;
  /** Path of its config file. */
  readonly file: string;
  /** Whether commands address it if they name no other. */
  readonly inUse: boolean;
}

/** The file that lists the meshes of this user. @throws ClawmeshError `config` for a user without a home folder. */
export function meshesFile(env: NodeJS.ProcessEnv): string {
  return join(homeFolder(env), '.config/clawmesh/meshes.json');
}

/** The meshes of this user, by name, so that commands can address several; like the contexts of kubectl. */
export class NamedMeshes {
  readonly #file: string;

  constructor(env: NodeJS.ProcessEnv) {
    this.#file = meshesFile(env);
  }

  /** All of them, by name. @throws ClawmeshError `config` if the file can't be read. */
  list(): NamedMesh[] {
    const { inUse, meshes } = this.#read();
    return Object.entries(meshes)
      .map(([name, file]) => ({ name, file, inUse: name === inUse }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** The mesh in use; undefined if there is none. @throws ClawmeshError `config`. */
  inUse(): NamedMesh | undefined {
    return this.list().find((mesh) => mesh.inUse);
  }

  /** @throws ClawmeshError `not-found`; `config`. */
  find(name: string): NamedMesh {
    const all = this.list();
    const found = all.find((mesh) => mesh.name === name);
    if (found) return found;
    throw notFound(
      'mesh',
      name,
      all.map((mesh) => mesh.name),
    );
  }

  /** Adds a mesh. @throws ClawmeshError `usage` for an invalid name, or one that another config has; `config`. */
  add(name: string, file: string): NamedMesh {
    if (!POOL_NAME.test(name)) {
      throw new ClawmeshError('usage', `${JSON.stringify(name.slice(0, 80))} is not a valid name of a mesh`, {
        remedy: 'use lower-case letters, digits, - and _, at most 63',
      });
    }
    const stored = this.#read();
    const other = stored.meshes[name];
    if (other !== undefined && other !== file) {
      throw new ClawmeshError('usage', `there is already a mesh ${name}, with the config ${other}`, {
        remedy: `choose another name, or first: clawmesh mesh remove ${name}`,
      });
    }
    this.#write({ ...stored, meshes: { ...stored.meshes, [name]: file } });
    return { name, file, inUse: stored.inUse === name };
  }

  /** Sets the mesh in use; undefined for none. @throws ClawmeshError `not-found`; `config`. */
  use(name: string | undefined): void {
    if (name !== undefined) this.find(name);
    this.#write({ ...this.#read(), inUse: name ?? null });
  }

  /** Removes a mesh; its config file stays. @throws ClawmeshError `not-found`; `config`. */
  remove(name: string): NamedMesh {
    const found = this.find(name);
    const { inUse, meshes } = this.#read();
    const { [name]: _, ...rest } = meshes;
    this.#write({ inUse: inUse === name ? null : inUse, meshes: rest });
    return found;
  }

  #read(): z.infer<typeof storedMeshes> {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { inUse: null, meshes: {} };
      throw this.#unusable(error);
    }
    try {
      return storedMeshes.parse(JSON.parse(text));
    } catch (error) {
      throw this.#unusable(error instanceof z.ZodError ? new Error('it is not a list of meshes') : error);
    }
  }

  /** Another process that reads meanwhile gets the old list or the new one. */
  #write(meshes: z.infer<typeof storedMeshes>): void {
    try {
      makeFolderSync(dirname(this.#file));
      const draft = `${this.#file}.${process.pid}`;
      writeFileSync(draft, `${JSON.stringify(meshes, null, 2)}\n`, { mode: 0o600 });
      renameSync(draft, this.#file);
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  #unusable(error: unknown): ClawmeshError {
    return new ClawmeshError('config', `${this.#file} can't be used: ${messageOf(error)}`, {
      remedy: 'correct or delete it, then add the meshes again: clawmesh mesh add',
      cause: error,
    });
  }
}
