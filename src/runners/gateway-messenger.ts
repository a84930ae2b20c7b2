import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import { GatewayErrorDetailCodes } from '@openclaw/gateway-protocol/gateway-error-details';
import * as z from 'zod';
import { ACCOUNT_NAME, CHANNEL_NAME, type ChannelAccount } from '../domain/delivery.ts';
import { messageOf } from '../domain/errors.ts';
import type { GatewayConnection } from './gateway-connection.ts';
import type { Messenger, OutgoingMessage, SendResult } from './messenger.ts';

/** How long a try waits for a connection, and then for the gateway's reply, ms. */
const TIMEOUT_MS = { ready: 2_000, channels: 5_000, send: 60_000 };
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
      // The connection dropped, or the gateway did not reply in time. It may have sent the message.
      if (!isGatewayProtocolResponseError(error)) return { ...retryable(messageOf(error)), uncertain: true };
      return refusal(error.gatewayCode, error.details, messageOf(error));
    }
  }
}

const refusalDetails = z.object({
  code: z.string().optional(),
  partialDelivery: z.unknown().optional(),
});

/**
 * What an error reply to `send` means. The gateway keeps it for 5 minutes, and repeats it for the same key (OpenClaw
 * 2026.9.6: a cache in memory of at most 1,000 replies).
 */
function refusal(code: string, details: unknown, reason: string): SendResult {
  const { code: detail, partialDelivery } = refusalDetails.safeParse(details).data ?? {};
  // The message is in the gateway's own queue on disk. It repeats a message that cannot have reached the chat, and leaves
  // any other to its operator; from here, a repetition could double it.
  if (detail === GatewayErrorDetailCodes.OUTBOUND_DELIVERY_QUEUED) {
    return { sent: true, note: `queued by the gateway, see openclaw status --deep there: ${reason}` };
  }
  if (partialDelivery !== undefined)
    return { sent: false, retryable: false, reason: `only a part was sent: ${reason}` };
  // An unknown recipient or channel stays one.
  return { sent: false, retryable: code !== 'INVALID_REQUEST', refused: true, reason };
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

function retryable(reason: string) {
  return { sent: false as const, retryable: true, reason };
}
