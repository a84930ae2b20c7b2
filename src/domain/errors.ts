/** Stable names of errors. Only `cli/exit.ts` maps them to exit codes. */
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

/** An error that a person can act on. `message` says on one line what is wrong and where; `remedy` says what to do. */
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

/** The text of any thrown value, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return onOneLine(text);
}

/** The lines of a text, joined by spaces. No regular expression: it would be slow on a megabyte of spaces. */
export function onOneLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
}

/** True if `error` is a ClawmeshError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is ClawmeshError {
  return error instanceof ClawmeshError && error.code === code;
}
