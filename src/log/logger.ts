import { type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';

export type Logger = PinoLogger;

/** The daemon's log, on stderr: stdout belongs to a command's result. */
export function createLogger(options: { level: string; format: 'json' | 'pretty' }): Logger {
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
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
