import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { GatewayConnection } from '../../src/runners/gateway-connection.ts';
import { GatewayMessenger, runningChannels } from '../../src/runners/gateway-messenger.ts';
import type { OutgoingMessage } from '../../src/runners/messenger.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';

/** With a gateway that does what the test says; the real one is in test/groups/openclaw. */
describe('messages through a gateway', () => {
  let gateway: StandInGateway;
  let connection: GatewayConnection;
  let messenger: GatewayMessenger;
  beforeEach(async () => {
    gateway = await StandInGateway.start();
    const options = { url: gateway.url, token: 't', displayName: 'test', clock: systemClock };
    connection = new GatewayConnection(options);
    connection.start();
    messenger = new GatewayMessenger(connection);
  });
  afterEach(async () => {
    await connection.stop();
    await gateway.stop();
  });
  const message = (more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    destination: { channel: 'slack', to: 'C1' },
    text: 'hi',
    media: [],
    idempotencyKey: 'k1',
    ...more,
  });

  it('go to the recipient, account and thread with their idempotency key and files', async () => {
    const destination = { channel: 'slack', to: 'C1', account: 'work', thread: '17.5' };
    expect(await messenger.send(message({ destination, media: ['https://x/y.png'] }))).toEqual({ sent: true });
    expect(gateway.asked('send')).toEqual([
      {
        channel: 'slack',
        to: 'C1',
        accountId: 'work',
        threadId: '17.5',
        message: 'hi',
        mediaUrls: ['https://x/y.png'],
        idempotencyKey: 'k1',
      },
    ]);
  });

  it('are not tried again when the gateway says that they are invalid', async () => {
    gateway.sends = { code: 'INVALID_REQUEST', message: 'unknown channel: slack' };
    expect(await messenger.send(message())).toEqual({
      sent: false,
      retryable: false,
      refused: true,
      reason: expect.stringContaining('unknown channel: slack'),
    });
  });

  it('are tried again with another key after any other refusal, which the gateway repeats for the same key', async () => {
    gateway.sends = { code: 'UNAVAILABLE', message: 'Error: slack is away' };
    expect(await messenger.send(message())).toMatchObject({ sent: false, retryable: true, refused: true });
  });

  it('count as sent when the gateway has queued them', async () => {
    const details = { code: 'OUTBOUND_DELIVERY_QUEUED' };
    gateway.sends = { code: 'UNAVAILABLE', message: 'Error: slack is away', details };
    expect(await messenger.send(message())).toEqual({
      sent: true,
      note: expect.stringMatching(/^queued by the gateway, .*slack is away/),
    });
  });

  it('are not tried again when a part was sent', async () => {
    const details = { partialDelivery: { messageIds: ['m1'] } };
    gateway.sends = { code: 'UNAVAILABLE', message: 'Error: the second part failed', details };
    expect(await messenger.send(message())).toMatchObject({
      retryable: false,
      reason: expect.stringMatching(/^only a part was sent: /),
    });
  });

  it('may have been sent when the connection drops before the reply', async () => {
    gateway.sends = 'silent';
    const sent = messenger.send(message());
    await expect.poll(() => gateway.asked('send').length).toBe(1);
    gateway.shut();
    expect(await sent).toMatchObject({ sent: false, retryable: true, uncertain: true });
  });

  it('are tried again when the gateway is away', async () => {
    gateway.shut();
    await expect.poll(() => connection.hello).toBe(undefined);
    expect(await messenger.send(message())).toMatchObject({ sent: false, retryable: true });
    expect(await messenger.channels()).toEqual([]);
  });

  it('can use the channel accounts that run in the gateway', async () => {
    gateway.channels = { slack: ['work', 'home'], telegram: ['default'] };
    expect(await messenger.channels()).toEqual([
      { channel: 'slack', account: 'work' },
      { channel: 'slack', account: 'home' },
      { channel: 'telegram', account: 'default' },
    ]);
  });

  it.each<[string, object]>([
    ['stopped', { running: false }],
    ['disabled', { running: true, enabled: false }],
    ['disconnected', { running: true, connected: false }],
    ['without a usable name', { running: true, accountId: 'a b' }],
  ])('can use no account that is %s', (_, fields) => {
    expect(runningChannels({ channelAccounts: { slack: [{ accountId: 'work', ...fields }] } })).toEqual([]);
  });

  it('can use no channel of a reply that clawmesh does not understand', () => {
    expect(runningChannels({ channelAccounts: 'none' })).toEqual([]);
  });
});
