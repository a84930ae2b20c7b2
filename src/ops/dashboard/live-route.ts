import type { FastifyInstance } from 'fastify';
import type { Clock, Timer } from '../../domain/clock.ts';
import type { LiveMesh, LiveMessage } from './live.ts';

/** Maximum number of pages that watch at once; each holds a connection open. */
const MOST_WATCHERS = 100;
/** Unread bytes at which a slow page is disconnected; it reconnects and gets the whole state again. */
const MOST_UNREAD = 8 * 1_048_576;
/** Interval between keep-alives, ms: proxies close a connection that is silent for long. */
const KEEP_ALIVE_MS = 15_000;
/** How long a connection stays open without another login check, ms; the page reconnects by itself. */
const LONGEST_MS = 15 * 60_000;

const SUMMARY = 'The state of the mesh and of its runs as server-sent events, for the page';

/** The live view as server-sent events: one `mesh`, `runs` or `trouble` per message of {@link LiveMesh}. */
export function addLiveRoute(app: FastifyInstance, live: LiveMesh, clock: Clock): void {
  app.get('/live', { config: { summary: SUMMARY } }, (request, reply) => {
    if (live.watchers >= MOST_WATCHERS) {
      return reply.code(503).send({ error: `${MOST_WATCHERS} pages are already open; close one` });
    }
    reply.hijack();
    const { raw } = reply;
    const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    raw.writeHead(200, {
      ...Object.fromEntries(headers),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx buffers the stream unless this header disables that.
      'x-accel-buffering': 'no',
    });
    raw.flushHeaders();
    const send = (message: LiveMessage) => {
      raw.write(`event: ${message.kind}\ndata: ${JSON.stringify(message)}\n\n`);
      if (raw.writableLength > MOST_UNREAD) raw.destroy();
    };
    let keepAlive: Timer;
    const waitToKeepAlive = () => {
      keepAlive = clock.timer(KEEP_ALIVE_MS, () => {
        raw.write(':\n\n');
        waitToKeepAlive();
      });
    };
    waitToKeepAlive();
    const enough = clock.timer(LONGEST_MS, () => raw.end());
    const unwatch = live.watch(send);
    request.raw.once('close', () => {
      keepAlive.stop();
      enough.stop();
      unwatch();
    });
    return reply;
  });
}
