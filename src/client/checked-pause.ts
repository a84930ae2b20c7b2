import { ClawmeshError, onOneLine } from '../domain/errors.ts';
import type { NewPause } from '../domain/pause.ts';
import { NOT_WELL_FORMED } from '../domain/text.ts';

/** Maximum length of a note, in characters: heartbeats and events repeat it. */
const MAX_NOTE_LENGTH = 200;

/**
 * The pause with its note on one line.
 *
 * @throws ClawmeshError `usage` for a note that is too long, or contains half a character.
 */
export function checkedPause(pause: NewPause): NewPause {
  const note = onOneLine(pause.note ?? '');
  const problem = note.isWellFormed()
    ? note.length > MAX_NOTE_LENGTH && `has ${note.length} characters, at most ${MAX_NOTE_LENGTH} are kept`
    : NOT_WELL_FORMED;
  if (problem) throw new ClawmeshError('usage', `the note ${problem}`, { remedy: 'nothing was paused' });
  return { ...pause, note: note === '' ? undefined : note };
}
