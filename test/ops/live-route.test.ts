import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LiveMesh, LiveMessage } from '../../src/ops/dashboard/live.ts';
import { addLiveRoute } from '../../src/ops/dashboard/live-route.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('the live route', () => {
  let app: FastifyInstance;
  let clock: VirtualClock;
  let url: string;
  const listeners = new Set<(message: LiveMessage) => void>();

  beforeEach(async () => {
    listeners.clear();
    clock = new VirtualClock();
    const watch = (listener: (message: LiveMessage) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    const live = {
      watch,
      get watchers() {
        return listeners.size;
      },
    } as unknown as LiveMesh;
    app = fastify({ forceCloseConnections: true });
    addLiveRoute(app, live, clock);
    url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/live`;
  });
  afterEach(() => app.close());

  const watch = async () => {
    const response = await fetch(url);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    /** What arrives next; undefined once the response has ended. */
    const next = async () => {
      const { value } = await reader.read();
      return value && new TextDecoder().decode(value);
    };
    return { response, next, leave: () => reader.cancel() };
  };

  it('sends each message as an event of its kind', async () => {
    const { response, next } = await watch();
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    for (const listener of listeners) listener({ kind: 'trouble', message: 'away' });
    expect(await next()).toBe('event: trouble\ndata: {"kind":"trouble","message":"away"}\n\n');
  });

  it('sends a comment every 15 s, so that no proxy closes a silent connection', async () => {
    const { next } = await watch();
    for (let i = 0; i < 3; i++) {
      expect(clock.nextInMs).toBe(15_000);
      await clock.advance(15_000);
      expect(await next()).toBe(':\n\n');
    }
  });

  it('ends after 15 min, so that the page has to log in again', async () => {
    const { next } = await watch();
    await clock.advance(15 * 60_000 - 1);
    expect(listeners.size).toBe(1);
    await clock.advance(1);
    let text: string | undefined = '';
    while (text !== undefined) text = await next();
    await expect.poll(() => listeners.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('stops watching and leaves no timer when the page goes away', async () => {
    const { leave } = await watch();
    expect([listeners.size, clock.pending]).toEqual([1, 2]);
    await leave();
    await expect.poll(() => listeners.size).toBe(0);
    expect(clock.pending).toBe(0);
  });
});
