import { describe, expect, it, vi } from 'vitest';
import type { GatewayHello } from '../../src/runners/gateway-connection.ts';
import { RunStopper, type Stopped } from '../../src/runners/run-stopper.ts';
import { type Submission, Submissions } from '../../src/runners/submissions.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const RECOVERY_MS = 600_000;

/** An error reply of the gateway. The client knows its own by identity, so that a test cannot make one. */
class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

vi.mock('@openclaw/gateway-client', () => ({
  isGatewayProtocolResponseError: (error: unknown) => error instanceof Refusal,
}));

/** A gateway that answers what the test says, and notes when it was asked. */
class FakeGateway {
  hello: GatewayHello | undefined = { version: '2026.9.6', bootId: 'boot', greetedAt: 0 };
  /** Replies to aborts, the last one again and again. */
  aborts: ('aborted' | 'no-active-run' | Error)[] = ['aborted'];
  /** Status of any session that is asked for. */
  session = 'killed';
  readonly abortedAt: number[] = [];
  readonly askedFor: unknown[] = [];
  readonly waits: number[] = [];
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  async ready(timeoutMs: number, signal?: AbortSignal): Promise<GatewayHello | undefined> {
    if (this.hello) return this.hello;
    this.waits.push(timeoutMs);
    await this.#clock.sleep(timeoutMs, signal);
    return this.hello;
  }

  readonly client = {
    request: async <T>(method: string, params?: unknown): Promise<T> => {
      this.askedFor.push(params);
      if (method === 'sessions.describe') return { session: { status: this.session } } as T;
      this.abortedAt.push(this.#clock.monotonic());
      const reply = (this.aborts.length > 1 ? this.aborts.shift() : this.aborts[0]) as string | Error;
      if (reply instanceof Error) throw reply;
      return { status: reply } as T;
    },
  };
}

function open() {
  const clock = new VirtualClock();
  const gateway = new FakeGateway(clock);
  const submissions = new Submissions(undefined);
  const stopper = new RunStopper({ connection: gateway, submissions, clock });
  return {
    clock,
    gateway,
    submissions,
    stopper,
    note: (runId: string, more: Partial<Submission> = {}) =>
      submissions.put({
        runId,
        sessionKey: 'chat',
        boot: 'boot',
        accepted: true,
        endsBy: clock.now() + 3_600_000,
        state: 'running',
        ...more,
      }),
    /** Undefined during the stop. */
    stop: (runId: string) => {
      const end: { result?: Stopped } = {};
      void stopper.stop(runId).then((result) => {
        end.result = result;
      });
      return end;
    },
  };
}

describe('the stop of a run in the gateway', () => {
  it('ends with the first confirmation, forgets the run and leaves no timer behind', async () => {
    const { clock, gateway, note, stop, stopper, submissions } = open();
    await note('r1', { agent: 'helper' });
    const end = stop('r1');
    expect(stopper.pending).toEqual(['r1']);
    expect(submissions.get('r1')?.state).toBe('abort');
    await settled();
    expect(end.result).toBe('aborted');
    expect(gateway.askedFor).toEqual([{ key: 'chat', agentId: 'helper', runId: 'r1' }]);
    expect(submissions.get('r1')).toBeUndefined();
    expect([stopper.pending, clock.pending]).toEqual([[], 0]);
  });

  it('has nothing to do for a run that was never submitted', async () => {
    const { gateway, stopper } = open();
    expect(await stopper.stop('r1')).toBe('nothing-ran');
    expect(gateway.askedFor).toEqual([]);
  });

  it('is shared by all its callers', async () => {
    const { gateway, note, stopper } = open();
    await note('r1');
    expect(stopper.stop('r1')).toBe(stopper.stop('r1'));
    await settled();
    expect(gateway.abortedAt).toHaveLength(1);
  });

  it('repeats a failed abort after 250 ms, then after twice as long each time up to 10 s', async () => {
    const { clock, gateway, note, stop, stopper } = open();
    await note('r1');
    gateway.aborts = [new Refusal('UNAVAILABLE', 'not now')];
    const end = stop('r1');
    await clock.advance(45_750);
    const gaps = gateway.abortedAt.map((at, index) => at - (gateway.abortedAt[index - 1] ?? 0));
    expect(gaps).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    expect(stopper.lastError).toBe('not now');
    gateway.aborts = ['no-active-run'];
    await clock.advance(9_999);
    expect(end.result).toBeUndefined();
    await clock.advance(1);
    expect(end.result).toBe('nothing-ran');
  });

  it('waits 30 s at a time for a gateway that is away, and begins once it is back', async () => {
    const { clock, gateway, note, stop } = open();
    await note('r1');
    const { hello } = gateway;
    gateway.hello = undefined;
    const end = stop('r1');
    await clock.advance(89_999);
    expect(gateway.waits).toEqual([30_000, 30_000, 30_000]);
    gateway.hello = hello;
    expect(gateway.abortedAt).toEqual([]);
    await clock.advance(1);
    expect([gateway.abortedAt, end.result]).toEqual([[90_000], 'aborted']);
  });

  it('is confirmed after a restart of the gateway only once that no longer lists the session as running', async () => {
    const { clock, gateway, note, stop } = open();
    await note('r1', { boot: 'former', agent: 'helper' });
    gateway.aborts = ['no-active-run', 'aborted'];
    gateway.session = 'running';
    const end = stop('r1');
    await clock.advance(999);
    expect(gateway.abortedAt).toEqual([0, 500]);
    expect(gateway.askedFor.slice(0, 2)).toEqual([{ key: 'chat', agentId: 'helper' }, { key: 'agent:helper:chat' }]);
    gateway.session = 'killed';
    await clock.advance(1);
    expect(end.result).toBe('aborted');
  });

  it('gives up an interrupted turn if the gateway has not resumed it 10 min after its greeting', async () => {
    const { clock, gateway, note, stop } = open();
    await clock.advance(200);
    gateway.hello = { version: '2026.9.6', bootId: 'boot', greetedAt: 100 };
    await note('r1', { boot: 'former' });
    gateway.aborts = ['no-active-run'];
    gateway.session = 'running';
    const end = stop('r1');
    await clock.advance(RECOVERY_MS - 1);
    expect(end.result).toBeUndefined();
    await clock.advance(1);
    expect(gateway.abortedAt.at(-1)).toBe(200 + RECOVERY_MS);
    expect(end.result).toBe('nothing-ran');
  });

  it('repeats an abort that the gateway refuses as invalid until OpenClaw’s own deadline has passed', async () => {
    const { clock, gateway, note, stop, submissions } = open();
    await note('r1', { endsBy: clock.now() + 750 });
    gateway.aborts = [new Refusal('INVALID_REQUEST', 'unauthorized')];
    const end = stop('r1');
    await clock.advance(1_749);
    expect([gateway.abortedAt, end.result]).toEqual([[0, 250, 750], undefined]);
    await clock.advance(1);
    expect([gateway.abortedAt.at(-1), end.result]).toEqual([1_750, 'nothing-ran']);
    expect(submissions.get('r1')).toBeUndefined();
  });

  it('gives up at once if the gateway no longer has the agent', async () => {
    const { gateway, note, stop } = open();
    await note('r1');
    gateway.aborts = [new Refusal('INVALID_REQUEST', 'agent "helper" not found')];
    const end = stop('r1');
    await settled();
    expect(end.result).toBe('nothing-ran');
  });

  it('leaves the stop to the next start of the daemon if the stopper is closed', async () => {
    const { clock, gateway, note, stop, stopper, submissions } = open();
    await note('r1');
    gateway.aborts = [new Error('connection closed')];
    const end = stop('r1');
    await clock.advance(1_000);
    stopper.close();
    await clock.advance(60_000);
    expect([gateway.abortedAt.at(-1), end.result, clock.pending]).toEqual([750, undefined, 0]);
    expect(submissions.get('r1')?.state).toBe('abort');
  });
});

describe('stops of a session', () => {
  it.each([
    ['the same session', { sessionKey: 'chat' }, false],
    ['the same session of any agent', { sessionKey: 'chat', agent: 'helper' }, false],
    ['another session', { sessionKey: 'mail' }, true],
  ])('knows whether the session is clear of stops: %s — %j is %s', async (_, session, clear) => {
    const { clock, gateway, note, stop, stopper } = open();
    await note('r1');
    gateway.aborts = [new Error('connection closed'), 'aborted'];
    stop('r1');
    let cleared = false;
    void stopper.cleared(session).then(() => {
      cleared = true;
    });
    await clock.advance(249);
    expect(cleared).toBe(clear);
    await clock.advance(1);
    expect(cleared).toBe(true);
  });

  it('considers the session of another agent clear of stops', async () => {
    const { gateway, note, stop, stopper } = open();
    await note('r1', { agent: 'helper' });
    gateway.aborts = [new Error('connection closed')];
    stop('r1');
    await stopper.cleared({ sessionKey: 'chat', agent: 'other' });
    expect(stopper.pending).toEqual(['r1']);
    stopper.close();
  });
});
