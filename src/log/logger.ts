import { statSync } from 'node:fs';
import { type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';

/** How often it's seen whether the log file was moved away, ms. */
const MOVED_CHECK_MS = 2_000;

export type Logger = PinoLogger;

/** The daemon's log, in a file (always JSON) or on stderr: stdout belongs to a command's result. */
export function createLogger(options: { level: string; format: 'json' | 'pretty'; file?: string | undefined }): Logger {
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.file) return pino(settings, rotatable(options.file));
  if (options.format === 'json') return pino(settings, pino.destination({ fd: 2, sync: true }));
  const stream = pretty({
    destination: 2,
    sync: true,
    colorize: Boolean(process.stderr.isTTY) && !process.env.NO_COLOR,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'nodeId,incarnation',
    singleLine: true,
    errorLikeObjectKeys: [],
  });
  return pino(settings, stream);
}

/** A log file that newsyslog or logrotate may move away: it's opened anew then, with no signal needed. */
function rotatable(file: string) {
  const inode = () => statSync(file, { throwIfNoEntry: false })?.ino;
  const destination = pino.destination({ dest: file, append: true, mkdir: true, sync: true, mode: 0o640 });
  let opened = inode();
  setInterval(() => {
    if (inode() === opened) return;
    destination.reopen();
    opened = inode();
  }, MOVED_CHECK_MS).unref();
  return destination;
}
