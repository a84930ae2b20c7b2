/** Stable names of errors, and their meanings. Only `cli/exit.ts` maps them to exit codes. */
export const ERROR_CODES = {
  usage: 'The command line or the arguments are wrong.',
  config: 'The config, the environment or a file of this machine is wrong.',
  redis: 'Redis is unreachable, or refuses the request.',
  'not-found': 'There is no such task, node, pool, circuit, schedule or mesh.',
  timeout: 'The wait timed out.',
  interrupted: 'An operator interrupted the operation.',
  failed: 'The operation failed.',
  fenced: 'A newer incarnation of the node has taken its place: the daemon may change nothing any more.',
  'claim-lost': 'The claim on the task is gone: the node has to drop the run.',
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

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
