import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVIDENCE_FOLDER } from './folders.ts';

/** Something that took part in a test and can tell afterwards what it saw. */
export interface Witness {
  readonly name: string;
  /** Whether it may still take part in the next test of this file. */
  readonly live: boolean;
  /** What it printed. */
  printed?(): readonly PrintedLine[];
  /** Writes its files, named after it, to the folder. */
  testify?(folder: string): Promise<void>;
}

export interface PrintedLine {
  /** Wall clock, ms. */
  readonly at: number;
  readonly text: string;
}

const witnesses = new Set<Witness>();

/** From here on a failure of the running test keeps what this one saw. */
export function remember(witness: Witness): void {
  witnesses.add(witness);
}

/** Forgets those that have stopped, after a test that passed. */
export function forgetStopped(): void {
  for (const witness of witnesses) if (!witness.live) witnesses.delete(witness);
}

/**
 * Keeps what all witnesses saw: the output of all processes merged by time, the contents of Redis, the histories of
 * tasks, and the errors. Returns the folder; undefined when there was none to ask.
 */
export async function keepEvidence(test: string, errors: readonly string[]): Promise<string | undefined> {
  if (witnesses.size === 0) return undefined;
  const words = test.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const folder = join(EVIDENCE_FOLDER, `${new Date().toISOString().replaceAll(/[:.]/g, '')}-${words.slice(0, 80)}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'error.txt'), `${test}\n\n${errors.join('\n\n')}\n`);
  const lines = [...witnesses].flatMap((witness) =>
    (witness.printed?.() ?? []).map((line) => ({ ...line, name: witness.name })),
  );
  const width = Math.max(0, ...lines.map(({ name }) => name.length));
  const merged = lines
    .sort((a, b) => a.at - b.at)
    .map(({ at, name, text }) => `${new Date(at).toISOString()} ${name.padEnd(width)} ${text}\n`);
  writeFileSync(join(folder, 'processes.log'), merged.join(''));
  for (const witness of witnesses) {
    await witness.testify?.(folder).catch((error: unknown) => {
      writeFileSync(join(folder, `${witness.name}.unreadable`), String(error));
    });
  }
  forgetStopped();
  return folder;
}

/** Splits output into lines that carry their time: a log line's own, else the time at which it came. */
export class PrintedLines {
  readonly lines: PrintedLine[] = [];
  #rest = '';

  add(chunk: string): void {
    const parts = (this.#rest + chunk).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const text of parts) this.lines.push({ at: timeOf(text) ?? Date.now(), text });
  }
}

/** The `"time"` of a log line, ms. */
function timeOf(line: string): number | undefined {
  const match = line.startsWith('{') ? /"time":"([^"]+)"/.exec(line) : null;
  const time = Date.parse(match?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}
