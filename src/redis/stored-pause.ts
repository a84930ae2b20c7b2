import * as z from 'zod';
import type { NewPause, Pause } from '../domain/pause.ts';
import { wellFormedJson } from '../domain/text.ts';

const details = z.object({ note: z.string().nullable(), by: z.string().nullable() });

/** Reads a pause as scripts store it: `<at> <until> <details>`, times in ms, until 0 for no end. */
export function readPause(text: string): Pause | undefined {
  const [, at, until = '', json = ''] = /^(\d{1,15}) (\d{1,15}) (.*)$/s.exec(text) ?? [];
  if (at === undefined) return undefined;
  return { at: isoTime(at), until: until === '0' ? null : isoTime(until), ...readDetails(json) };
}

/** The details of a pause, to be stored behind its times. */
export function pauseDetails({ note, by }: NewPause): string {
  return wellFormedJson({ note: note ?? null, by: by ?? null });
}

/** Other programs may write anything; the pause counts all the same. */
function readDetails(json: string): z.infer<typeof details> {
  try {
    return details.parse(JSON.parse(json));
  } catch {
    return { note: null, by: null };
  }
}

function isoTime(ms: string): string {
  return new Date(Number(ms)).toISOString();
}
