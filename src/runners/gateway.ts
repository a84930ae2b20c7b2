import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import type { Clock } from '../domain/clock.ts';
import { counted } from '../domain/counted.ts';
import { runBriefing } from '../domain/run-briefing.ts';
import { type Outcome, taskError } from '../domain/task.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import { GatewayConnection } from './gateway-connection.ts';
import { GatewayMessenger } from './gateway-messenger.ts';
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

/** How long a run waits for a gateway that is away or accepts no runs, ms; a restart takes 8 to 12 s. */
const AWAY_LIMIT_MS = 60_000;
/** Length of one `agent.wait`, ms; its end only ends the wait. */
const WAIT_MS = 30_000;
/** Additional time for the reply, ms; after that the run is submitted again, which only asks for its state. */
const WAIT_GRACE_MS = 5_000;
/** After the end of a run the gateway still says "in flight" for some 100 ms. */
const SETTLE_MS = 100;
/** Wait before the next try on a gateway that accepted no run: default if it names none, and maximum, ms. */
const TURNED_AWAY_MS = { first: 1_000, max: 10_000 };
/**
 * How long the slot of a stopped run waits for the gateway's confirmation, ms. The stop itself continues until
 * confirmed.
 */
const STOP_WAIT_MS = 5_000;
/** OpenClaw's own deadline is this much later than ours, s, so that ours is the one reported. */
const GRACE_S = 60;
/** A local gateway that is up replies within milliseconds, ms. */
const READY_TIMEOUT_MS = 1_500;

/** Requires a ready gateway on this machine. */
export const gatewayKind: RunnerKind = {
  mode: 'gateway',
  capabilities: {
    outlivesDaemon: true,
    hasProvider: true,
    limitsRuns: true,
    startsProgram: false,
    // A request to the gateway costs next to nothing.
    healthEveryMs: 2_000,
    remedy:
      'run openclaw gateway status; launchctl kickstart -k restarts the gateway; check openclaw.gateway.url and token',
  },
  detect: ({ config, clock }) => isGatewayReady(config.openclaw.gateway.url, clock),
  create: ({ config, nodeId, submissions, clock }) => {
    const { url, token } = config.openclaw.gateway;
    return new GatewayRunner({ url, token, nodeId, submissions: new Submissions(submissions), clock });
  },
  hasLeftRuns: ({ submissions }) => submissions !== undefined && hasSubmissions(submissions),
};

/** A run of a task in the gateway. */
interface GatewayRun {
  readonly runId: string;
  readonly session: Session;
  readonly request: RunRequest;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Runs tasks through the node's OpenClaw gateway; 25 times cheaper than one process per task. */
export class GatewayRunner implements Runner {
  readonly mode = gatewayKind.mode;
  readonly capabilities = gatewayKind.capabilities;
  readonly messenger: GatewayMessenger;
  readonly #clock: Clock;
  readonly #connection: GatewayConnection;
  readonly #submissions: Submissions;
  readonly #stopper: RunStopper;
  /** Runs under way, by name. */
  readonly #underWay = new Set<string>();
  /** Runs that this incarnation has adopted but not yet re-attached to. */
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
    this.messenger = new GatewayMessenger(this.#connection);
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
      for (const each of described) onEvent(each);
      if (described.length === 0) onEvent({ type: 'alive' });
    });
    try {
      const run = { runId, session, request, signal, onEvent };
      this.#recall(run);
      const result = await Promise.race([this.#follow(run), aborted(signal)]);
      if (result) return result;
      await waitAtMost(this.#clock, this.#stopper.stop(runId), STOP_WAIT_MS);
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
    const reason = greeting ? this.#trouble() : (this.#connection.lastError ?? 'the gateway does not respond');
    return { version: greeting?.version ?? null, healthy: reason === null, reason };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopper.close();
    await this.#connection.stop();
  }

  /** Why no new task may run although the gateway replies. */
  #trouble(): string | null {
    const left = this.#leftovers().length;
    if (left === 0) return this.#submissions.trouble;
    const why = this.#stopper.lastError;
    return `stopping ${counted(left, 'run')} left over in the gateway${why === undefined ? '' : `: ${why}`}`;
  }

  /** Runs in the gateway that this node neither follows nor has adopted, and whose end is unknown. */
  #leftovers(): string[] {
    return this.#submissions
      .all()
      .map(({ runId }) => runId)
      .filter((runId) => !this.#underWay.has(runId) && !this.#takenUp.has(runId));
  }

  #stopLeftovers(): void {
    for (const runId of this.#leftovers()) void this.#stopper.stop(runId);
  }

  /** Restores the record of a run that an earlier incarnation of the node began. */
  #recall(run: GatewayRun): void {
    const { runId, request } = run;
    const noted = this.#submissions.get(runId);
    // The earlier incarnation wanted to stop the run, but this node has the claim again.
    if (noted?.state === 'abort' && !this.#stopper.pending.includes(runId)) {
      void this.#submissions.put({ ...noted, state: 'running' });
    }
    if (!noted && request.resumes) void this.#note(run, request.resumes, true);
  }

  /**
   * Submits the run and follows it to its end. Each time the connection drops, it submits the run again with the same
   * key: the gateway then replies that the run is in flight, or with the result, and never runs it twice.
   *
   * @returns undefined if it was asked to stop.
   */
  async #follow(run: GatewayRun): Promise<RunResult | undefined> {
    const { runId, signal } = run;
    const startedAt = this.#clock.monotonic();
    let turnedAwayAt: number | undefined;
    while (!signal.aborted) {
      const greeting = await this.#connection.ready(AWAY_LIMIT_MS, signal);
      if (signal.aborted) break;
      // The daemon ends; its next start re-attaches to the run.
      if (this.#closed) return new Promise(() => {});
      if (!greeting) return this.#away(runId);
      const earlier = this.#submissions.get(runId);
      if (earlier && (earlier.state === 'abort' || earlier.boot !== greeting.bootId)) {
        // The gateway forgot its keys and may resume the turn by itself; only one run of a task may continue.
        const stopped = await this.#stopper.stop(runId);
        if (earlier.accepted || stopped === 'aborted') return crashed('the OpenClaw gateway restarted during the run');
        // The submission never reached the gateway.
        continue;
      }
      if (!earlier) {
        const hindrance = await this.#prepare(run, greeting.bootId);
        if (hindrance) return hindrance;
        // The record names a gateway boot that is no longer connected, or a run that must not begin any more.
        if (signal.aborted || this.#connection.hello !== greeting) {
          await this.#submissions.remove(runId);
          continue;
        }
      }
      let sent = earlier !== undefined;
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
          // The connection dropped. The next one shows the state of the run.
          await this.#clock.sleep(SETTLE_MS);
        }
      }
    }
    return undefined;
  }

  /** Records that the run is about to be submitted to this boot of the gateway. @returns why it can't be, if so. */
  async #prepare(run: GatewayRun, boot: string): Promise<NotBegun | undefined> {
    // Not queued behind a run that is being stopped: an abort of the session could hit this run, too.
    const cleared = this.#stopper.cleared(run.session).then(() => true);
    const clear = await waitAtMost(this.#clock, Promise.race([cleared, aborted(run.signal)]), AWAY_LIMIT_MS);
    if (!clear) return run.signal.aborted ? undefined : notBegun('could not stop an earlier run in the same session');
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
      extraSystemPrompt: runBriefing({ ...run.request, deliver: spec.deliver }),
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

  /** The gateway has accepted the run, which from now on outlives this daemon. */
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

  /** The gateway has been away for too long. If it still has this run, the run is stopped once the gateway is back. */
  #away(runId: string): RunResult {
    const why = `the OpenClaw gateway is unreachable: ${this.#connection.lastError ?? 'no answer'}`;
    const accepted = this.#submissions.get(runId)?.accepted === true;
    void this.#stopper.stop(runId);
    return accepted ? crashed(why) : notBegun(why);
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
