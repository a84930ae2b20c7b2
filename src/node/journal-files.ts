import { access, constants, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { STATE_FILES } from '../config/state-files.ts';
import { makeFolder } from '../platform/make-folder.ts';

/** Maximum number of files kept in the folder of discarded entries and in that of broken ones; the oldest go first. */
const MAX_KEPT = 100;
/** Larger than any valid entry: an answer of 1 MiB in which each character is escaped as six. */
const MAX_ENTRY_BYTES = 16 * 1_048_576;
/** Error codes of file systems that can't sync a folder to disk. */
const NO_FOLDER_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES']);

/** The folder of a journal: entries to deliver, with subfolders for discarded and broken ones. */
export class JournalFiles {
  readonly folder: string;
  readonly #discarded: string;
  readonly #broken: string;
  #discardedNames: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.#discarded = join(folder, basename(STATE_FILES.discarded.path));
    this.#broken = join(folder, basename(STATE_FILES.broken.path));
  }

  /** Number of discarded entries at the last check. */
  get discarded(): number {
    return this.#discardedNames.length;
  }

  /** Creates the folder if it is missing, and checks that it is writable. @returns whether it was created. */
  async prepare(): Promise<boolean> {
    const made = await makeFolder(this.folder);
    await makeFolder(this.#discarded);
    await access(this.folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (made) this.#discardedNames = [];
    return made;
  }

  /** Reads the texts of all entries, by name, and removes half-written files that a killed process left. */
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

  /** Writes an entry atomically, so that after a crash it is either complete or absent. */
  async write(name: string, text: string): Promise<void> {
    await writeWhole(this.folder, name, text);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true });
  }

  /** Moves an entry to the discarded ones, and removes the oldest of those. */
  async discard(name: string, text: string): Promise<void> {
    await writeWhole(this.#discarded, name, text);
    await this.remove(name);
    this.#discardedNames = await trim(this.#discarded);
  }

  /** Sets an unreadable entry aside for an operator to inspect. @returns its new path. */
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
      // Unlike a single write, this continues until all is written, or throws.
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
  } catch (error) {
    // A partial file must not use up space that a smaller entry needs.
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(folder);
}

/** Syncs the folder, so that a power cut does not undo the rename. */
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

/** Removes the oldest files, by name, if there are too many. @returns the names of the rest. */
async function trim(folder: string): Promise<string[]> {
  const all = await names(folder);
  for (const name of all.slice(0, -MAX_KEPT)) await rm(join(folder, name), { force: true });
  return all.slice(-MAX_KEPT);
}
