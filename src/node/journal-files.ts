import { access, constants, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../platform/make-folder.ts';

/** Files kept of those that nobody wants any more, in each folder for them; the oldest go first. */
const MAX_KEPT = 100;
/** Larger than any entry of ours: an answer of 1 MiB, each of whose characters is written as six. */
const MAX_ENTRY_BYTES = 16 * 1_048_576;
/** What file systems answer that can't make sure that a folder is on the disk. */
const NO_FOLDER_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES']);

/** The folder of a journal: entries that are to be delivered, and next to them what was discarded, or is broken. */
export class JournalFiles {
  readonly folder: string;
  readonly #discarded: string;
  readonly #broken: string;
  #discardedNames: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.#discarded = join(folder, 'discarded');
    this.#broken = join(folder, 'broken');
  }

  /** How many discarded entries there are, by the last look. */
  get discarded(): number {
    return this.#discardedNames.length;
  }

  /** Makes the folder where there is none, and sees whether it can be written. @returns whether it had to be made. */
  async prepare(): Promise<boolean> {
    const made = await makeFolder(this.folder);
    await makeFolder(this.#discarded);
    await access(this.folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (made) this.#discardedNames = [];
    return made;
  }

  /** The texts of all entries, by name; a half-written one of a process that died meanwhile is removed. */
  async read(onTrouble: (name: string, error: unknown) => void): Promise<Map<string, string>> {
    this.#discardedNames = await names(this.#discarded);
    const texts = new Map<string, string>();
    for (const name of await readdir(this.folder)) {
      const file = join(this.folder, name);
      try {
        if (name.endsWith('.new')) await rm(file, { force: true });
        if (!name.endsWith('.json')) continue;
        if ((await stat(file)).size > MAX_ENTRY_BYTES) await this.setAside(name);
        else texts.set(name, await readFile(file, 'utf8'));
      } catch (error) {
        onTrouble(name, error);
      }
    }
    return texts;
  }

  /** Writes an entry so that it is there whole or not at all, whatever happens next. */
  async write(name: string, text: string): Promise<void> {
    await writeWhole(this.folder, name, text);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true });
  }

  /** Keeps an entry as a discarded one; the oldest of those are removed. */
  async discard(name: string, text: string): Promise<void> {
    await writeWhole(this.#discarded, name, text);
    await this.remove(name);
    this.#discardedNames = await trim(this.#discarded);
  }

  /** Puts away an entry that can't be read, for people to look at. @returns where it is now. */
  async setAside(name: string): Promise<string> {
    await makeFolder(this.#broken);
    const to = join(this.#broken, name);
    await rename(join(this.folder, name), to);
    await trim(this.#broken);
    return to;
  }
}

async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `${name}.new`);
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      // Unlike one write, this goes on until all is written, or throws.
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
  } catch (error) {
    // Half of an entry must not take the room that a smaller one has.
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(folder);
}

/** A power cut must not undo the rename. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_FOLDER_SYNC.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

async function names(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
}

/** Removes the oldest files, by name, where there are too many. @returns the names of the rest. */
async function trim(folder: string): Promise<string[]> {
  const all = await names(folder);
  for (const name of all.slice(0, -MAX_KEPT)) await rm(join(folder, name), { force: true });
  return all.slice(-MAX_KEPT);
}
