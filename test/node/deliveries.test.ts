import { afterEach, describe, expect, it } from 'vitest';
import type { ChannelAccount } from '../../src/domain/delivery.ts';
import { Deliveries, outcomeOf } from '../../src/node/deliveries.ts';
import type { DeliveryOutcome, TakenDelivery } from '../../src/queue/bullmq/outbox.ts';
import type { Messenger, OutgoingMessage, SendResult } from '../../src/runners/messenger.ts';
import { testContext } from '../support/node-context.ts';
import { settled } from '../support/virtual-clock.ts';

const ANSWER = {
  pool: 'default',
  message: 'hello',
  agent: null,
  result: { text: 'all tests pass', usage: null, model: null, runId: null, durationMs: 5 },
  error: null,
};
const delivery = (taskId: string): TakenDelivery => ({
  pool: 'default',
  taskId,
  box: 'slack',
  token: `mac-1~1:${taskId}`,
  idempotencyKey: `clawmesh-${taskId}-answer-1`,
  tries: 0,
  ageMs: 0,
  content: { destination: { channel: 'slack', to: 'C1' }, answer: { ...ANSWER, taskId } },
});

/** A node whose gateway has these channels, and an outbox of the mesh with these answers. */
function node({ channels = [{ channel: 'slack', account: 'work' }] }: { channels?: readonly ChannelAccount[] } = {}) {
  const waiting: TakenDelivery[] = [];
  const asked: (readonly string[])[] = [];
  const resumed: boolean[] = [];
  const reports: [string, DeliveryOutcome][] = [];
  const sent: OutgoingMessage[] = [];
  const state = {
    channels,
    send: async (): Promise<SendResult> => ({ sent: true }),
    nextDueInMs: undefined as number | undefined,
    redisIsAway: false,
  };
  const messenger: Messenger = {
    channels: async () => state.channels,
    send: async (message) => {
      sent.push(message);
      return state.send();
    },
  };
  const context = testContext({
    runner: { messenger },
    backend: {
      openOutbox: () => ({
        take: async (boxes, { resumes = false } = {}) => {
          asked.push(boxes);
          resumed.push(resumes);
          return { delivery: waiting.shift(), nextDueInMs: state.nextDueInMs };
        },
        report: async ({ taskId }, end) => {
          if (state.redisIsAway) throw new Error('Connection is closed.');
          reports.push([taskId, end]);
          return true;
        },
      }),
    },
  });
  return { context, deliveries: new Deliveries(context), waiting, asked, resumed, reports, sent, state };
}

describe('the deliveries of a node', () => {
  let running: Deliveries | undefined;
  afterEach(() => running?.stop());
  const started = async (options: Parameters<typeof node>[0] = {}) => {
    const all = node(options);
    running = all.deliveries;
    all.deliveries.start();
    await expect.poll(() => all.asked.length).toBeGreaterThan(0);
    await expect.poll(() => all.deliveries.channels.length).toBe(all.state.channels.length);
    return all;
  };

  it('send an answer through the gateway as soon as it is announced, and report that it was accepted', async () => {
    const { context, waiting, reports, sent } = await started();
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => reports).toEqual([['a', { outcome: 'delivered' }]]);
    expect(sent).toEqual([
      {
        destination: { channel: 'slack', to: 'C1' },
        text: 'all tests pass',
        media: [],
        idempotencyKey: 'clawmesh-a-answer-1',
      },
    ]);
  });

  it('look into the outboxes of their channels and accounts, and into that of the webhooks', async () => {
    const { asked } = await started();
    await expect.poll(() => asked.at(-1)).toEqual(['@webhook', 'slack', 'slack/work']);
  });

  it('ignore announcements for channels of other nodes', async () => {
    const { context, asked } = await started();
    const before = asked.length;
    context.events.emit('answerReady', { box: 'telegram' });
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => asked.length).toBe(before + 1);
  });

  it('send at most four answers at the same time', async () => {
    const { context, waiting, reports, sent, state } = await started();
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    state.send = () => promise;
    waiting.push(...'abcdef'.split('').map(delivery));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => sent.length).toBe(4);
    expect(waiting).toHaveLength(2);
    resolve({ sent: true });
    await expect.poll(() => reports.length).toBe(6);
  });

  it('look again when the next try is due, without an announcement', async () => {
    const { context, waiting, asked, reports, state } = await started();
    state.nextDueInMs = 2_000;
    const before = asked.length;
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => asked.length).toBeGreaterThan(before);
    await settled();
    waiting.push(delivery('a'));
    await context.clock.advance(2_000);
    await expect.poll(() => reports.length).toBe(1);
  });

  it('wait for a try under way when they stop, and begin no other one', async () => {
    const { context, deliveries, waiting, reports, sent, state } = await started();
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    state.send = () => promise;
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => sent.length).toBe(1);
    const stopped = deliveries.stop();
    waiting.push(delivery('b'));
    resolve({ sent: true });
    await stopped;
    expect(reports.map(([id]) => id)).toEqual(['a']);
    expect(waiting).toHaveLength(1);
  });

  it('repeat an answer that may have been sent themselves, with the same key, until they know', async () => {
    const { context, waiting, reports, sent, state } = await started();
    let tries = 0;
    state.send = async () => {
      tries += 1;
      return tries < 3 ? { sent: false, retryable: true, uncertain: true, reason: 'gateway closed' } : { sent: true };
    };
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => sent.length).toBe(1);
    await settled();
    await context.clock.advance(1_000);
    await settled();
    await context.clock.advance(2_000);
    await expect.poll(() => reports.map(([, { outcome }]) => outcome)).toEqual(['uncertain', 'uncertain', 'delivered']);
    expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
  });

  it('repeat a report until Redis accepts it, and send the answer once', async () => {
    const { context, waiting, reports, sent, state } = await started();
    state.redisIsAway = true;
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => sent.length).toBe(1);
    for (let half = 0; half < 6; half++) {
      await settled();
      await context.clock.advance(500);
    }
    expect(reports).toEqual([]);
    state.redisIsAway = false;
    await context.clock.advance(500);
    await expect.poll(() => reports).toEqual([['a', { outcome: 'delivered' }]]);
    expect(sent).toHaveLength(1);
  });

  it('keep an answer that may have been sent while their gateway is away', async () => {
    const { context, waiting, reports, sent, state } = await started();
    const away = { sent: false, retryable: true, reason: 'the gateway does not respond' } as const;
    state.send = async () =>
      sent.length === 1 ? { ...away, uncertain: true } : sent.length < 4 ? away : { sent: true };
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    for (let second = 0; second < 20; second++) {
      await settled();
      await context.clock.advance(1_000);
    }
    await expect
      .poll(() => reports.map(([, { outcome }]) => outcome))
      .toEqual(['uncertain', 'uncertain', 'uncertain', 'delivered']);
  });

  it('take what an earlier incarnation was sending when they start, once for each of their channels', async () => {
    const { context, resumed, state } = await started();
    await settled();
    expect(resumed).toEqual([true, true]);
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => resumed).toEqual([true, true, false]);
    state.channels = [...state.channels, { channel: 'telegram', account: 'default' }];
    await context.clock.advance(20_000);
    await expect.poll(() => resumed.filter(Boolean).length).toBe(3);
  });

  it('give an answer back that may have been sent when its reservation is about to lapse', async () => {
    const { context, waiting, reports, sent, state } = await started();
    state.send = async () => ({ sent: false, retryable: true, uncertain: true, reason: 'gateway closed' });
    waiting.push(delivery('a'));
    context.events.emit('answerReady', { box: 'slack' });
    await expect.poll(() => sent.length).toBe(1);
    for (let second = 0; second < 300; second++) {
      await settled();
      await context.clock.advance(1_000);
    }
    expect(reports.at(-1)).toMatchObject(['a', { outcome: 'postponed' }]);
    expect(reports.slice(0, -1).every(([, { outcome }]) => outcome === 'uncertain')).toBe(true);
  });

  it('tell the mesh when a channel has appeared', async () => {
    const { context, deliveries, state } = await started();
    state.channels = [...state.channels, { channel: 'telegram', account: 'default' }];
    await context.clock.advance(20_000);
    await expect.poll(() => deliveries.channels).toEqual(['slack/work', 'telegram/default']);
    expect(context.emitted).toContain('factsChanged');
  });
});

describe('a failed try to send an answer', () => {
  const again = { sent: false, retryable: true, reason: 'the gateway does not respond' } as const;
  const mask = (text: string) => text.replaceAll('hunter2', '***');

  it('is repeated after a pause that doubles up to five minutes', () => {
    const pauses = [0, 1, 2, 8, 9, 50].map((tries) =>
      outcomeOf(again, { tries, ageMs: 0 }, { giveUpAfterMs: 86_400_000, mayRepeat: true, mask }),
    );
    expect(pauses).toMatchObject([1_000, 2_000, 4_000, 256_000, 300_000, 300_000].map((pauseMs) => ({ pauseMs })));
  });

  it('ends the delivery when the recipient was refused for good', () => {
    const refused = { sent: false, retryable: false, reason: 'unknown channel' } as const;
    expect(outcomeOf(refused, { tries: 0, ageMs: 0 }, { giveUpAfterMs: 86_400_000, mayRepeat: true, mask })).toEqual({
      outcome: 'failed',
      reason: 'unknown channel',
    });
  });

  it('ends the delivery when the next try would be later than the limit', () => {
    expect(
      outcomeOf(again, { tries: 9, ageMs: 86_300_000 }, { giveUpAfterMs: 86_400_000, mayRepeat: true, mask }),
    ).toEqual({
      outcome: 'failed',
      reason: 'given up: the gateway does not respond',
    });
  });

  it('is repeated by the same node when the message may have been sent, as long as its reservation allows', () => {
    const unsure = { ...again, uncertain: true };
    const options = { giveUpAfterMs: 86_400_000, mask };
    const outcomes = [true, false].map((mayRepeat) =>
      outcomeOf(unsure, { tries: 0, ageMs: 0 }, { ...options, mayRepeat }),
    );
    expect(outcomes).toMatchObject([{ outcome: 'uncertain' }, { outcome: 'postponed', newKey: false }]);
  });

  it('has a reason without secrets, of a bounded length', () => {
    const long = { ...again, reason: `token hunter2 ${'x'.repeat(10_000)}` };
    const outcome = outcomeOf(long, { tries: 0, ageMs: 0 }, { giveUpAfterMs: 86_400_000, mayRepeat: true, mask });
    if (outcome.outcome !== 'postponed') throw new Error(outcome.outcome);
    expect(outcome.reason).toHaveLength(300);
    expect(outcome.reason).not.toContain('hunter2');
  });
});
