import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import type { DispatchStrategy } from '../../src/domain/dispatch.ts';
import type { NextTask } from '../../src/queue/bullmq/claims.ts';
import { WorkWait } from '../../src/queue/bullmq/work-wait.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'm' });
const MARKER = keys.pool('default', 'marker');
const CALL = `${keys.wakeupPrefix('default')}mac-1`;
const OFFSET_MS = 3_600_000;

type Woken = [key: string, member: string, score: string] | null;

/** A blocking connection whose commands end when the test says so. */
class FakeConnection {
  status = 'ready';
  /** What the wait blocks with: keys, then seconds. */
  readonly blocks: (string | number)[][] = [];
  reconnects = 0;
  #replies: PromiseWithResolvers<Woken>[] = [];
  #onEnd = () => {};

  bzpopmin(...args: (string | number)[]): Promise<Woken> {
    this.blocks.push(args);
    const reply = Promise.withResolvers<Woken>();
    this.#replies.push(reply);
    return reply.promise;
  }

  /** Ends the oldest command. */
  wake(woken: Woken): void {
    this.#replies.shift()?.resolve(woken);
  }

  fail(error: Error): void {
    this.#replies.shift()?.reject(error);
  }

  once(_: 'end', listener: () => void): void {
    this.#onEnd = listener;
  }

  disconnect(): void {
    this.status = 'end';
    this.fail(new Error('Connection is closed.'));
    this.#onEnd();
  }

  async connect(): Promise<void> {
    this.status = 'ready';
    this.reconnects++;
  }
}

/** A wait, and what it wrote to Redis. */
function open(strategy: DispatchStrategy = 'pull') {
  const clock = new VirtualClock();
  const blocking = new FakeConnection();
  const written: string[] = [];
  const redis = {
    hdel: async (key: string, field: string) => written.push(`hdel ${key} ${field}`),
    zadd: async (key: string, score: number, member: string) => written.push(`zadd ${key} ${score} ${member}`),
  };
  const wait = new WorkWait({
    pool: 'default',
    nodeId: 'mac-1',
    keys,
    redis: redis as unknown as Redis,
    blocking: blocking as unknown as Redis,
    strategy: () => strategy,
    clock,
    clockOffset: () => OFFSET_MS,
  });
  return {
    clock,
    blocking,
    written,
    wait,
    redisNow: () => clock.now() + OFFSET_MS,
    /** A request for a task has been answered. */
    replied: (reply: Partial<NextTask> = {}) =>
      wait.asking()({ task: undefined, again: false, limitedForMs: 0, nextDueAt: 0, circuitsChanged: false, ...reply }),
    /** How the wait ended; undefined while it lasts. */
    begin: () => {
      const end: { result?: boolean | Error } = {};
      wait.forWork().then(
        (result) => {
          end.result = result;
        },
        (error: Error) => {
          end.result = error;
        },
      );
      return end;
    },
  };
}

const WAKE_ANY = `zadd ${MARKER} 0 0`;
const WITHDRAW = `hdel ${keys.freeSlots('default')} mac-1`;

describe('the wait of an idle node for work', () => {
  it('does not block before the first request, nor after one that brought a task or may bring another', async () => {
    const { blocking, replied, wait } = open();
    expect(await wait.forWork()).toBe(true);
    replied({ task: { id: 't1', token: 'n~1:1', fields: new Map() } as NextTask['task'] });
    expect(await wait.forWork()).toBe(true);
    replied({ again: true });
    expect(await wait.forWork()).toBe(true);
    expect(blocking.blocks).toEqual([]);
  });

  it('blocks for 10 s on the marker if no task is waiting', async () => {
    const { blocking, replied, begin, clock } = open();
    replied();
    const end = begin();
    await settled();
    expect(blocking.blocks).toEqual([[MARKER, 10]]);
    blocking.wake(null);
    await settled();
    expect(end.result).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it.each(['round-robin', 'least-loaded'] as const)(
    'blocks on the node’s own wake-up first with %s',
    async (strategy) => {
      const { blocking, replied, begin } = open(strategy);
      replied();
      begin();
      await settled();
      expect(blocking.blocks).toEqual([[CALL, MARKER, 10]]);
    },
  );

  it('blocks exactly until the next delayed task is due by Redis time', async () => {
    const { blocking, replied, begin, redisNow, clock } = open();
    replied({ nextDueAt: redisNow() + 4_000 });
    await clock.advance(1_500);
    begin();
    await settled();
    expect(blocking.blocks).toEqual([[MARKER, 2.5]]);
  });

  it('does not block if the next delayed task is already due', async () => {
    const { blocking, replied, redisNow, clock, wait } = open();
    replied({ nextDueAt: redisNow() + 4_000 });
    await clock.advance(3_999);
    expect(await wait.forWork()).toBe(true);
    expect(blocking.blocks).toEqual([]);
  });

  it('blocks for the rest of a rate limit although a task is due, and no longer than 10 s', async () => {
    const { blocking, replied, begin, redisNow, clock } = open();
    replied({ nextDueAt: redisNow() - 1, limitedForMs: 4_000 });
    await clock.advance(1_000);
    begin();
    await settled();
    blocking.wake(null);
    await settled();
    replied({ limitedForMs: 60_000 });
    begin();
    await settled();
    expect(blocking.blocks).toEqual([
      [MARKER, 3],
      [MARKER, 10],
    ]);
  });

  it('learns from the marker when the next delayed task is due', async () => {
    const { blocking, replied, begin, redisNow } = open();
    replied();
    begin();
    await settled();
    blocking.wake([MARKER, '1', String(redisNow() + 6_000)]);
    await settled();
    begin();
    await settled();
    expect(blocking.blocks.at(-1)).toEqual([MARKER, 6]);
  });

  it('ignores a reply to a request made before the node had more to offer', async () => {
    const { blocking, wait } = open();
    const answered = wait.asking();
    wait.ask();
    answered({ task: undefined, again: false, limitedForMs: 0, nextDueAt: 0, circuitsChanged: false });
    expect(await wait.forWork()).toBe(true);
    expect(blocking.blocks).toEqual([]);
  });
});

describe('a wait that Redis does not end', () => {
  it('reconnects exactly 1 s after the block should have ended', async () => {
    const { blocking, replied, begin, clock } = open();
    replied();
    const end = begin();
    await clock.advance(10_999);
    expect(blocking.reconnects).toBe(0);
    await clock.advance(1);
    expect(blocking.reconnects).toBe(1);
    expect(end.result).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it('keeps waiting while the connection is down, and reconnects one that came back without a reply', async () => {
    const { blocking, replied, begin, clock } = open();
    replied();
    blocking.status = 'reconnecting';
    const end = begin();
    await clock.advance(21_999);
    expect(blocking.reconnects).toBe(0);
    blocking.status = 'ready';
    await clock.advance(1);
    expect(blocking.reconnects).toBe(1);
    expect(end.result).toBe(true);
  });

  it('throws an error of Redis, and does not block again before the next request', async () => {
    const { blocking, replied, begin, wait, clock } = open();
    replied();
    const end = begin();
    await settled();
    blocking.fail(new Error('LOADING'));
    await settled();
    expect(end.result).toEqual(new Error('waiting for work failed: LOADING'));
    expect(await wait.forWork()).toBe(true);
    expect(clock.pending).toBe(0);
  });
});

describe('an interrupted wait', () => {
  it('returns false, withdraws its offer and wakes any other node', async () => {
    const { blocking, replied, begin, written, wait, clock } = open();
    replied();
    const end = begin();
    await settled();
    await wait.interrupt();
    await settled();
    expect(end.result).toBe(false);
    expect(written).toEqual([WITHDRAW, WAKE_ANY]);
    expect(blocking.reconnects).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it('writes nothing while the connection is down, and forwards the wake-up of its late command', async () => {
    const { blocking, replied, begin, written, wait } = open();
    replied();
    blocking.status = 'reconnecting';
    const end = begin();
    await settled();
    await wait.interrupt();
    await settled();
    expect(end.result).toBe(false);
    expect(written).toEqual([]);
    blocking.wake([MARKER, '0', '0']);
    await settled();
    expect(written).toEqual([WAKE_ANY]);
  });
});
