import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import type { Clock } from '../domain/clock.ts';
import { type Outcome, taskError } from '../domain/task.ts';
import { GatewayConnection } from './gateway-connection.ts';
import { describeEvent, gatewayOutcome, isInFlight, isTerminalWait, refusal, wasTurnedAway } from './gateway-reply.ts';
import { RunStopper, type Session } from './run-stopper.ts';
import {
  type NotBegun,
  openclawTimeoutS,
  type RunEvent,
  type Runner,
  type RunnerHealth,
  type RunnerKind,
  type RunRequest,
  type RunResult,
  runKey,
} from './runner.ts';
import { hasSubmissions, Submissions } from './submissions.ts';

/** How long a run waits for a gateway that is away or takes no runs, ms; a restart takes 8 to 12 s (FACTS.md). */
const AWAY_LIMIT_MS = 60_000;
/** One `agent.wait`, ms; its end only ends the wait. */
const WAIT_MS = 30_000;
/** What an answer may take beyond that, ms; then the run is submitted again, which only asks for it. */
const WAIT_GRACE_MS = 5_000;
/** After the end of a run the gateway still says "in flight" for some 100 ms. */
const SETTLE_MS = 100;
/** Wait before a gateway that took no run is asked again, where it doesn't say when, and at most, ms. */
const TURNED_AWAY_MS = { first: 1_000, max: 10_000 };
/**
 * How long the slot of a run that is stopped waits for the gateway to confirm it, ms. The stop itself is never given
 * up.
 */
const STOP_WAIT_MS = 5_000;
/** OpenClaw's own deadline comes after ours, s, so that ours is the one that is reported. */
const GRACE_S = 60;
/** A local gateway that is up answers within milliseconds, ms. */
const READY_TIMEOUT_MS = 1_500;

/** Requires a ready gateway on this machine. */
export const gatewayKind: RunnerKind = {
  mode: 'gateway',
  // A question to the gateway costs next to nothing.
  capabilities: { outlivesDaemon: true, hasProvider: true, healthEveryMs: 2_000 },
  detect: ({ config, clock }) => isGatewayReady(config.openclaw.gateway.url, clock),
  create: ({ config, nodeId, submissions, clock }) => {
    const { url, token } = config.openclaw.gateway;
    return new GatewayRunner({ url, token, nodeId, submissions: new Submissions(submissions), clock });
  },
  hasLeftRuns: ({ submissions }) => submissions !== undefined && hasSubmissions(submissions),
};

/** A run of a task, as the gateway knows it. */
interface GatewayRun {
  readonly runId: string;
  readonly session: Session;
  readonly request: RunRequest;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Runs tasks through the node's OpenClaw gateway; 25 times cheaper than a process each (FACTS.md). */
export class GatewayRunner implements Runner {
  readonly mode = gatewayKind.mode;
  readonly capabilities = gatewayKind.capabilities;
  readonly #clock: Clock;
  readonly #connection: GatewayConnection;
  readonly #submissions: Submissions;
  readonly #stopper: RunStopper;
  /** Runs under way, by name. */
  readonly #underWay = new Set<string>();
  /** Runs of an earlier incarnation that are this one's, and have not gone on yet. */
  readonly #takenUp = new Set<string>();
  #settled = false;
  #closed = false;

  constructor(options: {
    url: string;
    token: string | undefined;
    nodeId: string;
    submissions: Submissions;
    clock: Clock;
  }) {
    const { clock, submissions } = options;
    this.#clock = clock;
    this.#connection = new GatewayConnection({
      url: options.url,
      token: options.token,
      displayName: `clawmesh ${options.nodeId}`,
      clock,
    });
    this.#submissions = submissions;
    this.#stopper = new RunStopper({ connection: this.#connection, submissions, clock });
    this.#connection.start();
  }

  async run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const runId = runKey(request);
    const session = { sessionKey: request.spec.session ?? `clawmesh:${runId}`, agent: request.spec.agent };
    this.#underWay.add(runId);
    this.#takenUp.delete(runId);
    const unlisten = this.#connection.listen(runId, (event) => {
      const described = describeEvent(event);
      for (const told of described) onEvent(told);
      if (described.length === 0) onEvent({ type: 'alive' });
    });
    try {
      const run = { runId, session, request, signal, onEvent };
      this.#recall(run);
      const result = await Promise.race([this.#follow(run), aborted(signal)]);
      if (result) return result;
      await this.#withinTime(this.#stopper.stop(runId), STOP_WAIT_MS);
      return { ok: false, error: taskError('cancelled', 'stopped') };
    } finally {
      unlisten();
      this.#underWay.delete(runId);
    }
  }

  async stopLeftovers(takenUp: readonly string[]): Promise<void> {
    for (const runId of takenUp) if (!this.#underWay.has(runId)) this.#takenUp.add(runId);
    this.#settled = true;
    this.#stopLeftovers();
  }

  async health(): Promise<RunnerHealth> {
    if (this.#submissions.trouble !== null) await this.#submissions.mend();
    if (this.#settled) this.#stopLeftovers();
    const greeting = await this.#connection.ready(1_000);
    const reason = greeting ? this.#trouble() : (this.#connection.lastError ?? 'the gateway does not answer');
    return { version: greeting?.version ?? null, healthy: reason === null, reason };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopper.close();
    await this.#connection.stop();
  }

  /** Why nothing new is to be run, though the gateway answers. */
  #trouble(): string | null {
    const left = this.#leftovers().length;
    if (left === 0) return this.#submissions.trouble;
    const why = this.#stopper.lastError;
    return `${left} run${left === 1 ? '' : 's'} left over in the gateway ${left === 1 ? 'is' : 'are'} being stopped${why === undefined ? '' : `: ${why}`}`;
  }

  /** Runs that the gateway was given, that nobody here goes on with, and whose end is not known. */
  #leftovers(): string[] {
    return this.#submissions
      .all()
      .map(({ runId }) => runId)
      .filter((runId) => !this.#underWay.has(runId) && !this.#takenUp.has(runId));
  }

  #stopLeftovers(): void {
    for (const runId of this.#leftovers()) void this.#stopper.stop(runId);
  }

  /** What is known of the run if an earlier incarnation of the node began it. */
  #recall(run: GatewayRun): void {
    const { runId, request } = run;
    const noted = this.#submissions.get(runId);
    // The earlier incarnation wanted to stop it, but it's this node's again.
    if (noted?.state === 'abort' && !this.#stopper.pending.includes(runId)) {
      void this.#submissions.put({ ...noted, state: 'running' });
    }
    if (!noted && request.resumes) void this.#note(run, request.resumes, true);
  }

  /**
   * Submits the run and follows it to its end. Each time the connection drops it's submitted again with the same key:
   * the gateway then answers that it's in flight, or with the result, and never runs it twice.
   *
   * @returns undefined where it was told to stop.
   */
  async #follow(run: GatewayRun): Promise<RunResult | undefined> {
    const { runId, signal } = run;
    const startedAt = this.#clock.monotonic();
    let turnedAwayAt: number | undefined;
    while (!signal.aborted) {
      const greeting = await this.#connection.ready(AWAY_LIMIT_MS, signal);
      if (signal.aborted) break;
      // The daemon ends; its next start finds the run again.
      if (this.#closed) return new Promise(() => {});
      if (!greeting) return this.#away(runId);
      const former = this.#submissions.get(runId);
      if (former && (former.state === 'abort' || former.boot !== greeting.bootId)) {
        // The gateway forgot its keys and may resume the turn by itself; only one run of a task may go on.
        const stopped = await this.#stopper.stop(runId);
        if (former.accepted || stopped === 'aborted') return crashed('the OpenClaw gateway restarted during the run');
        // It never got as far as the gateway.
        continue;
      }
      if (!former) {
        const hindrance = await this.#prepare(run, greeting.bootId);
        if (hindrance) return hindrance;
        // Written for a gateway that is another one by now, or for a run that must not begin any more.
        if (signal.aborted || this.#connection.hello !== greeting) {
          await this.#submissions.remove(runId);
          continue;
        }
      }
      let sent = former !== undefined;
      try {
        const reply = await this.#submit(run, () => {
          sent = true;
        });
        if (!isInFlight(reply)) {
          const durationMs = Math.round(this.#clock.monotonic() - startedAt);
          return await this.#over(runId, gatewayOutcome(reply, { runId, durationMs, now: this.#clock.now() }));
        }
        this.#accepted(run);
        await this.#waitForEnd(runId);
      } catch (error) {
        if (isGatewayProtocolResponseError(error)) {
          turnedAwayAt ??= this.#clock.monotonic();
          if (!wasTurnedAway(error) || this.#clock.monotonic() - turnedAwayAt > AWAY_LIMIT_MS) {
            return await this.#over(runId, refusal(error, this.#clock.now()));
          }
          await this.#clock.sleep(Math.min(error.retryAfterMs ?? TURNED_AWAY_MS.first, TURNED_AWAY_MS.max));
        } else {
          if (!sent) await this.#submissions.remove(runId);
          // The connection dropped. What became of the run is asked on the next one.
          await this.#clock.sleep(SETTLE_MS);
        }
      }
    }
    return undefined;
  }

  /** Notes that the run is about to be submitted to this boot of the gateway; answers what is in the way of that. */
  async #prepare(run: GatewayRun, boot: string): Promise<NotBegun | undefined> {
    // Not behind a run that must not go on: whatever stops that one could hit this one.
    const clear = await this.#withinTime(this.#stopper.cleared(run.session), AWAY_LIMIT_MS, run.signal);
    if (!clear)
      return run.signal.aborted ? undefined : notBegun('a former run in the same session could not be stopped');
    await this.#note(run, boot, false);
    return undefined;
  }

  #submit(run: GatewayRun, onSent: () => void): Promise<unknown> {
    const { spec, timeoutMs } = run.request;
    const params = {
      message: spec.message,
      idempotencyKey: run.runId,
      sessionKey: run.session.sessionKey,
      timeout: openclawTimeoutS(timeoutMs, GRACE_S),
      ...(spec.agent !== undefined && { agentId: spec.agent }),
      ...(spec.model !== undefined && { model: spec.model }),
      ...(spec.thinking !== undefined && { thinking: spec.thinking }),
    };
    const onAccepted = () => this.#accepted(run);
    return this.#connection.client.request('agent', params, { expectFinal: true, timeoutMs: null, onSent, onAccepted });
  }

  async #note({ runId, session, request }: GatewayRun, boot: string, accepted: boolean): Promise<void> {
    const endsBy = this.#clock.now() + request.timeoutMs + GRACE_S * 1_000;
    await this.#submissions.put({ runId, ...session, boot, accepted, endsBy, state: 'running' });
  }

  /** The gateway says that it has the run, which outlives this daemon from here on. */
  #accepted({ runId, onEvent }: GatewayRun): void {
    const noted = this.#submissions.get(runId);
    if (!noted || noted.accepted) return;
    void this.#submissions.put({ ...noted, accepted: true });
    onEvent({ type: 'submitted', to: noted.boot });
  }

  async #waitForEnd(runId: string): Promise<void> {
    for (;;) {
      const reply = await this.#connection.client.request(
        'agent.wait',
        { runId, timeoutMs: WAIT_MS },
        { timeoutMs: WAIT_MS + WAIT_GRACE_MS },
      );
      if (isTerminalWait(reply)) break;
    }
    await this.#clock.sleep(SETTLE_MS);
  }

  async #over(runId: string, outcome: Outcome): Promise<Outcome> {
    await this.#submissions.remove(runId);
    return outcome;
  }

  /** The gateway has been away for too long. What it may still do for this run is stopped once it's back. */
  #away(runId: string): RunResult {
    const why = `the OpenClaw gateway is away: ${this.#connection.lastError ?? 'no answer'}`;
    const accepted = this.#submissions.get(runId)?.accepted === true;
    void this.#stopper.stop(runId);
    return accepted ? crashed(why) : notBegun(why);
  }

  /** Whether the work was done within `ms` and before the signal aborted; it goes on in any case. */
  async #withinTime(work: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<false>();
    const timer = this.#clock.timer(ms, () => resolve(false));
    const done = await Promise.race([work.then(() => true), late, ...(signal ? [aborted(signal)] : [])]);
    timer.stop();
    return done === true;
  }
}

async function isGatewayReady(url: string, clock: Clock): Promise<boolean> {
  const probe = new URL('/readyz', url.replace(/^ws/, 'http'));
  const late = new AbortController();
  const timer = clock.timer(READY_TIMEOUT_MS, () => late.abort());
  try {
    return (await fetch(probe, { signal: late.signal })).ok;
  } catch {
    return false;
  } finally {
    timer.stop();
  }
}

function crashed(why: string): Outcome {
  return { ok: false, error: taskError('crash', why) };
}

function notBegun(why: string): NotBegun {
  return { ok: false, begun: false, error: taskError('crash', why) };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
