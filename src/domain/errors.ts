/** What went wrong, as a stable name. The CLI maps each to its exit code in one place (`cli/exit.ts`). */
export type ErrorCode =
  | 'usage'
  | 'config'
  | 'redis'
  | 'not-found'
  | 'timeout'
  | 'interrupted'
  | 'failed'
  | 'fenced'
  | 'claim-lost';

/**
 * An error a person can act on: `message` is one line that says what is wrong and where, `remedy` what to do about it.
 */
export class ClawmeshError extends Error {
  override readonly name: string = 'ClawmeshError';
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** The text of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return onOneLine(text);
}

/** The lines of a text, one behind the other. Without a pattern, which would be slow on a megabyte of spaces. */
export function onOneLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
}

/** True where `error` is one of ours with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is ClawmeshError {
  return error instanceof ClawmeshError && error.code === code;
}
