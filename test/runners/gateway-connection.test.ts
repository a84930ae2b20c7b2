import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayConnection, type GatewayHello } from '../../src/runners/gateway-connection.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

describe('the wait for a connection to the gateway', () => {
  let gateway: StandInGateway;
  let clock: VirtualClock;
  let connection: GatewayConnection;

  beforeEach(async () => {
    gateway = await StandInGateway.start();
    clock = new VirtualClock();
    connection = new GatewayConnection({ url: gateway.url, token: 't', displayName: 'test', clock });
  });
  afterEach(async () => {
    await connection.stop();
    await gateway.stop();
  });

  /** Undefined during the wait. */
  const wait = (timeoutMs: number, signal?: AbortSignal) => {
    const end: { hello?: GatewayHello | 'none' } = {};
    void connection.ready(timeoutMs, signal).then((hello) => {
      end.hello = hello ?? 'none';
    });
    return end;
  };

  it('ends with the greeting, which carries the monotonic time of its arrival', async () => {
    await clock.advance(5_000);
    clock.setWall(0);
    const end = wait(60_000);
    connection.start();
    await expect.poll(() => end.hello).toEqual({ version: '2026.9.6', bootId: gateway.boot, greetedAt: 5_000 });
    expect(connection.hello).toBe(end.hello);
    expect(clock.pending).toBe(0);
    expect(await connection.ready(0)).toBe(end.hello);
  });

  it('ends without a greeting after exactly its time', async () => {
    gateway.shut();
    connection.start();
    const end = wait(1_000);
    await clock.advance(999);
    expect(end.hello).toBeUndefined();
    await clock.advance(1);
    expect(end.hello).toBe('none');
  });

  it('ends as soon as its signal aborts, and leaves no timer behind', async () => {
    const abort = new AbortController();
    const [stopped, other] = [wait(1_000, abort.signal), wait(2_000)];
    abort.abort();
    await settled();
    expect([stopped.hello, other.hello]).toEqual(['none', undefined]);
    expect(clock.nextInMs).toBe(2_000);
    expect(await connection.ready(1_000, abort.signal)).toBeUndefined();
    expect(clock.pending).toBe(1);
  });

  it('ends when the connection is stopped, and never begins after that', async () => {
    const end = wait(1_000);
    await connection.stop();
    expect(end.hello).toBe('none');
    expect(await connection.ready(1_000)).toBeUndefined();
    expect(clock.pending).toBe(0);
  });
});
