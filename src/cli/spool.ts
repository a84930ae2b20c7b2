import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ClawmeshError, messageOf } from '../domain/errors.ts';

/**
 * A private temporary file that is written once, and then read. It has no name any more once it is open, so it
 * disappears with the process, even after a crash.
 */
export class Spool {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws ClawmeshError `failed` if it can't be created. */
  static async open(): Promise<Spool> {
    return noted(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'clawmesh-'));
      try {
        return new Spool(await open(join(folder, 'spool'), 'wx+', 0o600));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  /** Appends to the file. @throws ClawmeshError `failed` if the disk is full. */
  async write(bytes: Buffer): Promise<void> {
    await noted(() => this.#file.appendFile(bytes));
  }

  /** Reads the whole file from the beginning. */
  read(): Readable {
    return this.#file.createReadStream({ start: 0, autoClose: false });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function noted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ClawmeshError('failed', `can't write a temporary file in ${tmpdir()}: ${messageOf(error)}`, {
      remedy: 'nothing was queued; free some disk space, or set TMPDIR to another folder',
      cause: error,
    });
  }
}
