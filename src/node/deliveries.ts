import type { Timer } from '../domain/clock.ts';
import { cutText } from '../domain/cut-text.ts';
import { boxesOf, type ChannelAccount } from '../domain/delivery.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import { type DeliveryOutcome, type Outbox, type TakenDelivery, UNCERTAIN_MS } from '../queue/bullmq/outbox.ts';
import type { SendResult } from '../runners/messenger.ts';
import type { NodeContext } from './context.ts';
import { InFlight } from './in-flight.ts';
import { OnDemand } from './on-demand.ts';
import { Periodic } from './periodic.ts';
import { sendAnswer } from './send-answer.ts';
import type { Service } from './service.ts';

/** Answers that a node sends at the same time: a slow recipient must not hold up the others. */
const MOST_AT_ONCE = 4;
/** Interval between looks into the outboxes, ms; a message usually comes first. */
const LOOK_MS = 5_000;
/** Interval between questions about the running channels, ms. */
const CHANNELS_MS = 15_000;
/** Pause after the first failed try, and the longest one, ms; doubled after each. */
const PAUSE_MS = { first: 1_000, max: 300_000 };
/** Pause before the repetition of an answer that may have been sent, ms; the longest one keeps to the reservation. */
const REPEAT_MS = { first: 1_000, max: 30_000 };
/** Pause before a report that Redis did not accept is repeated, ms. */
const REPORT_PAUSE_MS = 500;
/** Longest stored reason of a failed try, characters. */
const REASON_LENGTH = 300;

/** Sends the answers of ended tasks through the channels of this node, and to webhooks. */
export class Deliveries implements Service {
  readonly name = 'deliveries';
  readonly #context: NodeContext;
  readonly #outbox: Pick<Outbox, 'take' | 'report'>;
  readonly #rounds: OnDemand;
  readonly #loops: readonly Periodic[];
  readonly #inFlight = new InFlight();
  #channels: readonly ChannelAccount[] = [];
  #sending = 0;
  /** The outboxes in which this incarnation has taken everything that an earlier one was sending. */
  #resumed: readonly string[] = [];
  #next: Timer | undefined;
  #started = false;
  #stopped = false;
  readonly #stopping = new AbortController();

  constructor(context: NodeContext) {
    this.#context = context;
    const { backend, owner, clock, events, onError } = context;
    this.#outbox = backend.openOutbox(owner);
    this.#rounds = new OnDemand({ name: this.name, clock, work: () => this.#round(), onError });
    const ask = async () => this.#rounds.ask();
    const look = async () => this.#lookAtChannels();
    this.#loops = [
      new Periodic({ name: 'outboxes', clock, intervalMs: LOOK_MS, work: ask, onError }),
      new Periodic({ name: 'channels', clock, intervalMs: CHANNELS_MS, work: look, onError }),
    ];
    events.on('answerReady', ({ box }) => {
      if (this.#boxes().includes(box)) this.#rounds.ask();
    });
  }

  /** The channels that the node's OpenClaw has running, as `<channel>/<account>`. */
  get channels(): string[] {
    return this.#channels.map(({ channel, account }) => `${channel}/${account}`);
  }

  start(): void {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#rounds.start();
    for (const loop of this.#loops) loop.start();
    void this.#inFlight.run(() => this.#lookAtChannels());
    this.#rounds.ask();
  }

  /** Resolves once no try is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.abort();
    this.#next?.stop();
    await Promise.all([...this.#loops.map((loop) => loop.stop()), this.#rounds.stop(), this.#inFlight.end()]);
  }

  #boxes(): string[] {
    return boxesOf(this.#channels);
  }

  async #lookAtChannels(): Promise<void> {
    const { runner, events } = this.#context;
    if (!runner.messenger) return;
    const before = this.channels.join();
    this.#channels = await runner.messenger.channels();
    if (this.#stopped || this.channels.join() === before) return;
    events.emit('factsChanged');
    this.#rounds.ask();
  }

  /** Begins to send all due answers, as many at once as allowed. */
  async #round(): Promise<void> {
    this.#next?.stop();
    while (!this.#stopped && this.#sending < MOST_AT_ONCE) {
      const boxes = this.#boxes();
      const resumes = boxes.some((box) => !this.#resumed.includes(box));
      const { delivery, nextDueInMs } = await this.#outbox.take(boxes, { resumes });
      if (delivery) {
        this.#sending += 1;
        void this.#inFlight.run(() => this.#send(delivery));
      } else {
        this.#resumed = boxes;
        if (nextDueInMs !== undefined && nextDueInMs < LOOK_MS) {
          this.#next = this.#context.clock.timer(nextDueInMs, () => this.#rounds.ask());
        }
        return;
      }
    }
  }

  async #send(delivery: TakenDelivery): Promise<void> {
    const { clock, log, onError } = this.#context;
    const { taskId, pool } = delivery;
    const until = clock.monotonic() + UNCERTAIN_MS - REPEAT_MS.max;
    try {
      for (let repeats = 0, wasSent = false; ; repeats++) {
        const pauseMs = Math.min(REPEAT_MS.first * 2 ** repeats, REPEAT_MS.max);
        const mayRepeat = clock.monotonic() + pauseMs < until;
        const again = { ...delivery, tries: delivery.tries + repeats };
        const { outcome, stillOurs } = await this.#try(again, { mayRepeat, mayBeSent: wasSent });
        wasSent = true;
        if (outcome !== 'uncertain' || !stillOurs) return;
        await clock.sleep(pauseMs, this.#stopping.signal);
        // The reservation lapses, and the answer is sent again.
        if (this.#stopped) return;
      }
    } catch (error) {
      // The reservation lapses, and the answer is sent again with the same key.
      log.warn({ taskId, pool, error: messageOf(error) }, 'could not report a delivery');
      onError(error);
    } finally {
      this.#sending -= 1;
      this.#rounds.ask();
    }
  }

  /** Sends the answer once, and reports what became of it. */
  async #try(
    delivery: TakenDelivery,
    { mayRepeat, mayBeSent }: { readonly mayRepeat: boolean; readonly mayBeSent: boolean },
  ): Promise<{ outcome: DeliveryOutcome['outcome']; stillOurs: boolean }> {
    const { runner, live, clock, log, masks } = this.#context;
    const { taskId, pool, box } = delivery;
    const { webhookSecret, giveUpAfter } = live.config.delivery;
    const result = await sendAnswer(delivery, { messenger: runner.messenger, webhookSecret, clock });
    const end = outcomeOf(result, delivery, {
      giveUpAfterMs: giveUpAfter,
      mayRepeat,
      mayBeSent,
      mask: masks.said,
    });
    const stillOurs = await this.#report(delivery, end);
    const { outcome, reason } = end;
    const level = outcome === 'delivered' ? 'info' : 'warn';
    log[level]({ taskId, pool, box, tries: delivery.tries + 1, stillOurs, reason }, `answer ${outcome}`);
    return { outcome, stillOurs };
  }

  /**
   * Reports until Redis replies: the outcome is known here alone, and another node would send the answer again.
   *
   * @throws ClawmeshError `fenced`, or the last error if the node stops.
   */
  async #report(delivery: TakenDelivery, end: DeliveryOutcome): Promise<boolean> {
    for (;;) {
      try {
        return await this.#outbox.report(delivery, end);
      } catch (error) {
        if (hasCode(error, 'fenced') || this.#stopped) throw error;
        await this.#context.clock.sleep(REPORT_PAUSE_MS, this.#stopping.signal);
      }
    }
  }
}

/**
 * What a try means for the delivery.
 *
 * @param options `mayRepeat`: this node can repeat an uncertain try within its reservation; `mayBeSent`: an earlier try
 * may have sent it; `mask` hides secrets in the reason
 */
export function outcomeOf(
  result: SendResult,
  { tries, ageMs }: Pick<TakenDelivery, 'tries' | 'ageMs'>,
  options: {
    readonly giveUpAfterMs: number;
    readonly mayRepeat: boolean;
    readonly mayBeSent?: boolean;
    readonly mask: (text: string) => string;
  },
): DeliveryOutcome {
  const { giveUpAfterMs, mayRepeat, mayBeSent = false, mask } = options;
  const words = (text: string) => cutText(mask(text).toWellFormed(), REASON_LENGTH);
  if (result.sent) return { outcome: 'delivered', ...(result.note !== undefined && { reason: words(result.note) }) };
  const reason = words(result.reason);
  if (!result.retryable) return { outcome: 'failed', reason };
  if ((result.uncertain || (mayBeSent && !result.refused)) && mayRepeat) return { outcome: 'uncertain', reason };
  const pauseMs = Math.min(PAUSE_MS.first * 2 ** Math.min(tries, 20), PAUSE_MS.max);
  if (ageMs + pauseMs > giveUpAfterMs) return { outcome: 'failed', reason: `given up: ${reason}` };
  return { outcome: 'postponed', reason, pauseMs, newKey: result.refused === true };
}
