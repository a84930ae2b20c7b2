import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger as PinoLogger, pino } from 'pino';
import prettyStream from 'pino-pretty';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { makeFolderSync } from '../platform/make-folder.ts';

/** Maximum bytes buffered for a log that can't be written; further lines are dropped. */
const MAX_WAITING = 1_048_576;
/** Interval between checks whether the log file was moved away, ms. */
const MOVED_CHECK_MS = 2_000;

export type Logger = PinoLogger;

/** The daemon's log, in a file (always JSON) or on stderr: stdout is reserved for a command's result. */
export function createLogger(options: { level: string; format: 'json' | 'pretty'; file?: string | undefined }): Logger {
  const pretty = options.format === 'pretty' && !options.file;
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: { streamWrite: (line: string) => harmless(line, pretty) },
  };
  if (options.file) return pino(settings, rotatable(options.file));
  const stderr = tolerant(pino.destination({ fd: 2, sync: true, maxLength: MAX_WAITING }));
  if (!pretty) return pino(settings, stderr);
  const stream = prettyStream({
    destination: stderr,
    colorize: Boolean(process.stderr.isTTY) && !process.env.NO_COLOR,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'nodeId,incarnation',
    singleLine: true,
    errorLikeObjectKeys: [],
  });
  return pino(settings, stream);
}

/** Characters that JSON does not escape although a terminal may obey them: C1 codes and bidirectional controls. */
const LEFT_BY_JSON = /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
/**
 * The same, and JSON escapes of control characters except line breaks and tabs. Matching `\\` skips an escaped
 * backslash.
 */
const STEERING_IN_JSON = /\\\\|\\u00[01][0-9a-f]|\\[bfr]|[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A JSON log line that can't control the terminal that shows it, also after pretty-printing unpacks it. */
function harmless(line: string, unpacked: boolean): string {
  if (unpacked) return line.replace(STEERING_IN_JSON, (found) => (found === '\\\\' ? found : '\ufffd'));
  return line.replace(LEFT_BY_JSON, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Ignores write errors: a log with a full disk or without a reader would otherwise throw in the code that logs. No line
 * is worth the daemon.
 */
function tolerant(destination: ReturnType<typeof pino.destination>) {
  destination.on('error', () => {});
  return destination;
}

/** @throws ClawmeshError `config` if the log can't be opened: a daemon would run without a log from its start. */
function opened(options: Parameters<typeof pino.destination>[0] & { readonly dest: string }) {
  try {
    makeFolderSync(dirname(options.dest), 0o777);
    return pino.destination(options);
  } catch (error) {
    throw new ClawmeshError('config', `the log file ${options.dest} can't be written: ${messageOf(error)}`, {
      remedy: 'check --log-file, and that this user may write there',
      cause: error,
    });
  }
}

/** A log file that newsyslog or logrotate may move away; it is then reopened without a signal. */
function rotatable(file: string) {
  const inode = () => statSync(file, { throwIfNoEntry: false })?.ino;
  const options = { dest: file, append: true, sync: true, mode: 0o600, maxLength: MAX_WAITING };
  const destination = tolerant(opened(options));
  let known = inode();
  setInterval(() => {
    try {
      if (inode() === known) return;
      destination.reopen();
      known = inode();
    } catch {
      // The folder is gone or unreadable; the old file is written until an operator repairs that.
    }
  }, MOVED_CHECK_MS).unref();
  return destination;
}
