import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import * as z from 'zod';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { GatewayConnection, GatewayHello } from './gateway-connection.ts';
import type { Submission, Submissions } from './submissions.ts';

/**
 * A gateway that was killed resumes its interrupted turns by itself, one session after the other. Until then it reports
 * the waiting ones as "running". If a turn still has nothing to abort this long after the greeting, the gateway will
 * not resume it, ms.
 */
const RECOVERY_MS = 600_000;
const RECOVERY_POLL_MS = 500;
/** An abort waits for OpenClaw to write the session, ms. After the timeout it is sent again. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Wait before another try of a failed abort: doubles from the first to the second, ms. */
const RETRY_MS = { first: 250, max: 10_000 };
/** Interval between checks whether to keep waiting for a gateway that is away, ms. */
const AWAY_POLL_MS = 30_000;

const abortReply = z.object({ status: z.enum(['aborted', 'no-active-run']) });
const describeReply = z.object({ session: z.object({ status: z.string().nullish() }).nullable() });

/** The result of a stop: whether a run had to be aborted. */
export type Stopped = 'aborted' | 'nothing-ran';

/** The part of the gateway connection that stops need. */
type Connection = Pick<GatewayConnection, 'ready'> & { readonly client: Pick<GatewayConnection['client'], 'request'> };

/** A session in the gateway. */
export type Session = Pick<Submission, 'sessionKey' | 'agent'>;

/**
 * Stops runs in the gateway for certain: it requests the abort of each until the gateway has confirmed that the run
 * does not continue. This spans connections and starts of the gateway, and also starts of this daemon, since each stop
 * is recorded on disk.
 */
export class RunStopper {
  readonly #connection: Connection;
  readonly #submissions: Submissions;
  readonly #clock: Clock;
  readonly #stops = new Map<string, Promise<Stopped>>();
  readonly #closing = new AbortController();
  #lastError: string | undefined;

  constructor(options: { connection: Connection; submissions: Submissions; clock: Clock }) {
    this.#connection = options.connection;
    this.#submissions = options.submissions;
    this.#clock = options.clock;
  }

  /** Runs that must stop but may still continue. */
  get pending(): string[] {
    return [...this.#stops.keys()];
  }

  /** Why the last abort failed, for operators. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Resolves once the gateway has confirmed that the run does not continue; while it is away, this waits. */
  stop(runId: string): Promise<Stopped> {
    const under = this.#stops.get(runId);
    if (under) return under;
    const submission = this.#submissions.get(runId);
    if (!submission) return Promise.resolve('nothing-ran');
    // Not awaited: the abort is more urgent than its record. Records are written in this order.
    void this.#submissions.put({ ...submission, state: 'abort' });
    const stop = this.#untilConfirmed(submission).finally(() => this.#stops.delete(runId));
    this.#stops.set(runId, stop);
    return stop;
  }

  /**
   * Resolves once no run that is being stopped may still continue in this session. Otherwise OpenClaw would queue the
   * next run behind it, and an abort of the session would hit both.
   */
  async cleared(session: Session): Promise<void> {
    for (;;) {
      const before = this.pending.filter((runId) => isIn(session, this.#submissions.get(runId)));
      if (before.length === 0) return;
      await Promise.all(before.map((runId) => this.#stops.get(runId)));
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #untilConfirmed(submission: Submission): Promise<Stopped> {
    const { signal } = this.#closing;
    let result: Stopped = 'nothing-ran';
    let wait = RETRY_MS.first;
    while (!signal.aborted) {
      const greeting = await this.#connection.ready(AWAY_POLL_MS, signal);
      if (!greeting) continue;
      try {
        const found = await this.#abort(submission, greeting);
        if (found === 'aborted') result = found;
        if (await this.#isOver(submission, greeting, found)) {
          await this.#submissions.remove(submission.runId);
          return result;
        }
        wait = RECOVERY_POLL_MS;
      } catch (error) {
        this.#lastError = messageOf(error);
        if (isHopeless(error, submission, this.#clock.now())) {
          await this.#submissions.remove(submission.runId);
          return result;
        }
      }
      await this.#clock.sleep(wait, signal);
      wait = Math.min(wait * 2, RETRY_MS.max);
    }
    // Never confirmed here; the daemon's next start resumes the stop.
    return new Promise(() => {});
  }

  async #abort({ runId, sessionKey, agent, boot }: Submission, greeting: GatewayHello): Promise<Stopped> {
    const params = {
      key: sessionKey,
      ...(agent !== undefined && { agentId: agent }),
      // A turn that another boot resumed has an unknown run id, so the whole session is aborted.
      ...(boot === greeting.bootId && { runId }),
    };
    const reply = await this.#connection.client.request('sessions.abort', params, { timeoutMs: REQUEST_TIMEOUT_MS });
    return abortReply.parse(reply).status === 'aborted' ? 'aborted' : 'nothing-ran';
  }

  /** Whether the abort is final: a gateway that has restarted may yet resume the run. */
  async #isOver({ sessionKey, agent, boot }: Submission, greeting: GatewayHello, found: Stopped): Promise<boolean> {
    if (boot === greeting.bootId) return true;
    const key = agent === undefined || sessionKey.startsWith('agent:') ? sessionKey : `agent:${agent}:${sessionKey}`;
    const reply = await this.#connection.client.request(
      'sessions.describe',
      { key },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
    if (describeReply.parse(reply).session?.status !== 'running') return true;
    return found === 'nothing-ran' && this.#clock.monotonic() - greeting.greetedAt > RECOVERY_MS;
  }
}

/** Whether the gateway has refused the abort in a way that another try can't change. */
function isHopeless(error: unknown, { endsBy }: Submission, now: number): boolean {
  if (!isGatewayProtocolResponseError(error) || error.code !== 'INVALID_REQUEST') return false;
  // A deleted agent has no runs; and no run outlives OpenClaw's own deadline.
  return /\bagent .* not found/.test(messageOf(error).slice(0, 1_000)) || now > endsBy;
}

/** No agent means the default one, which may be the other session's agent. */
function isIn(session: Session, other: Session | undefined): boolean {
  if (other?.sessionKey !== session.sessionKey) return false;
  return session.agent === undefined || other.agent === undefined || session.agent === other.agent;
}
