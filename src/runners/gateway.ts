import { setTimeout as sleep } from 'node:timers/promises';
import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import { messageOf } from '../domain/errors.ts';
import { type Outcome, taskError } from '../domain/task.ts';
import { classifyError } from './classify.ts';
import { GatewayConnection } from './gateway-connection.ts';
import { abortSession, SESSION_PREFIX, stopLeftovers } from './gateway-leftovers.ts';
import { describeEvent, gatewayOutcome, isInFlight, isTerminalWait } from './gateway-reply.ts';
import { openclawTimeoutS, type RunEvent, type Runner, type RunnerHealth, type RunRequest, runKey } from './runner.ts';

/** How long a run waits for a gateway that is away before it fails as a crash, ms; a restart takes 8 to 12 s (FACTS.md). */
const AWAY_LIMIT_MS = 60_000;
/** One `agent.wait`, ms; its end only ends the wait. */
const WAIT_MS = 30_000;
/** After the end of a run the gateway still says "in flight" for some 100 ms. */
const SETTLE_MS = 100;
/** An abort is answered at once by a healthy gateway, ms. */
const ABORT_TIMEOUT_MS = 5_000;
/** After a restart the gateway resumes an interrupted turn within this time, ms; seen 4 to 10 s. */
const RESUME_WAIT_MS = 15_000;
const RESUME_POLL_MS = 500;
/** OpenClaw's own deadline comes after ours, s, so that ours is the one that is reported. */
const GRACE_S = 60;

/** Runs tasks through the node's OpenClaw gateway; 25 times cheaper than a process each (FACTS.md). */
export class GatewayRunner implements Runner {
  readonly mode = 'gateway';
  readonly #connection: GatewayConnection;
  /** Sessions of the runs under way. */
  readonly #held = new Set<string>();
  #settled = false;
  /** Boot of the gateway in which no run of ours is left but those under way. */
  #cleanBoot: string | undefined;
  #cleaning = false;

  constructor(options: { url: string; token: string | undefined; nodeId: string }) {
    this.#connection = new GatewayConnection({
      url: options.url,
      token: options.token,
      displayName: `clawmesh ${options.nodeId}`,
      onConnected: () => void this.#stopLeftovers(),
    });
    this.#connection.start();
  }

  async run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<Outcome> {
    const runId = runKey(request);
    const sessionKey = request.spec.session ?? `${SESSION_PREFIX}${runId}`;
    this.#held.add(sessionKey);
    const unlisten = this.#connection.listen(runId, (event) => {
      const described = describeEvent(event);
      for (const told of described) onEvent(told);
      if (described.length === 0) onEvent({ type: 'alive' });
    });
    const aborted = new Promise<Outcome>((resolve) => {
      const stop = () => void this.#abort(sessionKey, runId).finally(() => resolve(stopped()));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([this.#follow(request, runId, sessionKey, signal, onEvent), aborted]);
    } finally {
      unlisten();
      this.#held.delete(sessionKey);
    }
  }

  async settle(): Promise<void> {
    this.#settled = true;
    void this.#stopLeftovers();
  }

  async health(): Promise<RunnerHealth> {
    const greeting = await this.#connection.ready(1_000);
    if (greeting && this.#cleanBoot === greeting.bootId)
      return { version: greeting.version, healthy: true, reason: null };
    if (greeting)
      return { version: greeting.version, healthy: false, reason: 'looking for runs left over in the gateway' };
    return { version: null, healthy: false, reason: this.#connection.lastError ?? 'the gateway does not answer' };
  }

  async close(): Promise<void> {
    await this.#connection.stop();
  }

  /**
   * Submits the run and follows it to its end. Each time the connection drops it's submitted again with the same key:
   * the gateway then answers that it's in flight, or with the result, and never runs it twice.
   */
  async #follow(
    request: RunRequest,
    runId: string,
    sessionKey: string,
    signal: AbortSignal,
    onEvent: (event: RunEvent) => void,
  ): Promise<Outcome> {
    const startedAt = performance.now();
    let submittedTo = request.resumes;
    while (!signal.aborted) {
      const greeting = await this.#connection.ready(AWAY_LIMIT_MS, signal);
      if (!greeting) {
        const why = this.#connection.lastError ?? 'no answer';
        return { ok: false, error: taskError('crash', `the OpenClaw gateway is away: ${why}`) };
      }
      const boot = greeting.bootId;
      if (submittedTo !== undefined && submittedTo !== boot) return this.#afterGatewayRestart(sessionKey, runId);
      if (submittedTo === undefined) onEvent({ type: 'submitted', to: boot });
      submittedTo = boot;
      try {
        const reply = await this.#submit(request, runId, sessionKey);
        if (!isInFlight(reply)) return gatewayOutcome(reply, runId, Math.round(performance.now() - startedAt));
        await this.#waitForEnd(runId);
      } catch (error) {
        if (isGatewayProtocolResponseError(error)) return refusal(error);
        // The connection dropped. What became of the run is asked on the next one.
        await sleep(SETTLE_MS);
      }
    }
    return stopped();
  }

  #submit({ spec, timeoutMs }: RunRequest, runId: string, sessionKey: string): Promise<unknown> {
    const params = {
      message: spec.message,
      idempotencyKey: runId,
      sessionKey,
      timeout: openclawTimeoutS(timeoutMs, GRACE_S),
      ...(spec.agent !== undefined && { agentId: spec.agent }),
      ...(spec.model !== undefined && { model: spec.model }),
      ...(spec.thinking !== undefined && { thinking: spec.thinking }),
    };
    return this.#connection.client.request('agent', params, { expectFinal: true, timeoutMs: null });
  }

  async #waitForEnd(runId: string): Promise<void> {
    for (;;) {
      const reply = await this.#connection.client.request(
        'agent.wait',
        { runId, timeoutMs: WAIT_MS },
        { timeoutMs: WAIT_MS + ABORT_TIMEOUT_MS },
      );
      if (isTerminalWait(reply)) break;
    }
    await sleep(SETTLE_MS);
  }

  /** The gateway forgot its keys and may resume the interrupted turn by itself; only one run of a task may go on. */
  async #afterGatewayRestart(sessionKey: string, runId: string): Promise<Outcome> {
    // The resumed turn has another run id, so its session is what is stopped.
    this.#held.delete(sessionKey);
    const deadline = performance.now() + RESUME_WAIT_MS;
    let stopped = false;
    while (!stopped && performance.now() < deadline) {
      stopped = await abortSession(this.#connection, sessionKey).catch(() => false);
      if (!stopped) await sleep(RESUME_POLL_MS);
    }
    await this.#abort(sessionKey, runId);
    return { ok: false, error: taskError('crash', 'the OpenClaw gateway restarted during the run') };
  }

  /** One at a time; each connection to a gateway that has been started anew begins it again. */
  async #stopLeftovers(): Promise<void> {
    if (!this.#settled || this.#cleaning) return;
    this.#cleaning = true;
    try {
      for (let greeting = this.#connection.hello; greeting && greeting.bootId !== this.#cleanBoot; ) {
        await stopLeftovers(this.#connection, this.#held);
        if (this.#connection.hello === greeting) this.#cleanBoot = greeting.bootId;
        else greeting = this.#connection.hello;
      }
    } catch {
      // The connection dropped; the next one begins again.
    } finally {
      this.#cleaning = false;
    }
  }

  async #abort(sessionKey: string, runId: string): Promise<void> {
    if (!(await this.#connection.ready(ABORT_TIMEOUT_MS))) return;
    await this.#connection.client
      .request('sessions.abort', { key: sessionKey, runId }, { timeoutMs: ABORT_TIMEOUT_MS })
      .catch(() => {});
  }
}

function stopped(): Outcome {
  return { ok: false, error: taskError('cancelled', 'stopped') };
}

/** A run that failed comes as an error response too; a refused request has an error code of its own. */
function refusal(error: { code: string; message: string }): Outcome {
  if (error.code === 'INVALID_REQUEST') return { ok: false, error: taskError('invalid', messageOf(error)) };
  return { ok: false, error: classifyError(messageOf(error)) };
}
