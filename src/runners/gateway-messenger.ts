import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import * as z from 'zod';
import { ACCOUNT_NAME, CHANNEL_NAME, type ChannelAccount } from '../domain/delivery.ts';
import { messageOf } from '../domain/errors.ts';
import type { GatewayConnection } from './gateway-connection.ts';
import type { Messenger, OutgoingMessage, SendResult } from './messenger.ts';

/** How long a try waits for a connection, and then for the gateway's reply, ms. */
const TIMEOUT_MS = { ready: 2_000, channels: 5_000, send: 12_000 };
/** Most channel accounts that a node offers; real gateways have a handful. */
const MOST_CHANNELS = 50;

const channelsStatus = z.object({
  channelAccounts: z.record(
    z.string(),
    z.array(
      z.object({
        accountId: z.string(),
        enabled: z.boolean().optional(),
        running: z.boolean().optional(),
        connected: z.boolean().optional(),
      }),
    ),
  ),
});

/** Sends through the channels of the node's gateway, over the connection that its runs use. */
export class GatewayMessenger implements Messenger {
  readonly #connection: Pick<GatewayConnection, 'client' | 'ready'>;

  constructor(connection: Pick<GatewayConnection, 'client' | 'ready'>) {
    this.#connection = connection;
  }

  async channels(): Promise<readonly ChannelAccount[]> {
    if (!(await this.#connection.ready(TIMEOUT_MS.ready))) return [];
    try {
      const reply = await this.#connection.client.request(
        'channels.status',
        { probe: false },
        { timeoutMs: TIMEOUT_MS.channels },
      );
      return runningChannels(reply);
    } catch {
      return [];
    }
  }

  async send({ destination, text, media, idempotencyKey }: OutgoingMessage): Promise<SendResult> {
    if (!(await this.#connection.ready(TIMEOUT_MS.ready))) return retryable('the gateway does not respond');
    const { channel, to, account, thread } = destination;
    const params = {
      channel,
      to,
      message: text,
      idempotencyKey,
      ...(account !== undefined && { accountId: account }),
      ...(thread !== undefined && { threadId: thread }),
      ...(media.length > 0 && { mediaUrls: [...media] }),
    };
    try {
      await this.#connection.client.request('send', params, { timeoutMs: TIMEOUT_MS.send });
      return { sent: true };
    } catch (error) {
      const reason = messageOf(error);
      // The gateway refuses an unknown recipient or channel as an invalid request, which stays one.
      const isRefusal = isGatewayProtocolResponseError(error) && error.gatewayCode === 'INVALID_REQUEST';
      return isRefusal ? { sent: false, retryable: false, reason } : retryable(reason);
    }
  }
}

/** The accounts in a reply to `channels.status` that can send now. Names that clawmesh can't use are left out. */
export function runningChannels(reply: unknown): ChannelAccount[] {
  const parsed = channelsStatus.safeParse(reply);
  if (!parsed.success) return [];
  return Object.entries(parsed.data.channelAccounts)
    .flatMap(([channel, accounts]) => accounts.map((account) => ({ channel, ...account })))
    .filter(({ enabled = true, running = false, connected = true }) => enabled && running && connected)
    .map(({ channel, accountId }) => ({ channel, account: accountId }))
    .filter(({ channel, account }) => CHANNEL_NAME.test(channel) && ACCOUNT_NAME.test(account))
    .slice(0, MOST_CHANNELS);
}

function retryable(reason: string): SendResult {
  return { sent: false, retryable: true, reason };
}
