/** A recipient in a chat, reached through the OpenClaw gateway that has its channel. */
export interface ChannelDestination {
  /** OpenClaw's name of the channel, such as `slack` or `telegram`. */
  readonly channel: string;
  /** The recipient, as the channel names it. */
  readonly to: string;
  /** The account of the channel; missing for any account that a gateway has. */
  readonly account?: string | undefined;
  /** The thread or topic to reply in; missing for none. */
  readonly thread?: string | undefined;
}

/** An address that gets the answer as JSON. */
export interface WebhookDestination {
  /** An http or https URL. It may contain a secret, so only its host is shown. */
  readonly webhook: string;
}

/** Where the answer of a task is sent when it has ended. */
export type Destination = ChannelDestination | WebhookDestination;

/** The chat that a task was requested in. Only for people: nothing is decided by it. */
export interface Origin {
  /** The OpenClaw session of the conversation. */
  readonly session?: string | undefined;
  /** The agent that was asked. */
  readonly agent?: string | undefined;
  /** The channel of the conversation. */
  readonly channel?: string | undefined;
  /** The sender of the request, as the channel names it. */
  readonly sender?: string | undefined;
}

/** A channel, and an account of it that a node's gateway has running. */
export interface ChannelAccount {
  /** OpenClaw's name of the channel. */
  readonly channel: string;
  /** OpenClaw's name of the account. */
  readonly account: string;
}

/** Channel ids of OpenClaw. They become parts of Redis keys. */
export const CHANNEL_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Accounts become parts of Redis keys and messages, between spaces. */
export const ACCOUNT_NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
/** Longest recipient, thread or field of an origin, characters. */
export const MAX_ROUTE_LENGTH = 256;
/** Longest URL of a webhook, characters. */
export const MAX_WEBHOOK_LENGTH = 2_048;

/** The outbox of all webhooks, which any node can call. No channel has this name. */
export const WEBHOOK_BOX = '@webhook';

export function isWebhook(destination: Destination): destination is WebhookDestination {
  return 'webhook' in destination;
}

/** Name of the outbox in which the answer waits for a node that can send it. */
export function boxOf(destination: Destination): string {
  if (isWebhook(destination)) return WEBHOOK_BOX;
  const { channel, account } = destination;
  return account === undefined ? channel : `${channel}/${account}`;
}

/** The outboxes that a node with these channels empties: those of its accounts, and those for any account. */
export function boxesOf(channels: readonly ChannelAccount[]): string[] {
  const boxes = channels.flatMap(({ channel, account }) => [channel, `${channel}/${account}`]);
  return [...new Set([WEBHOOK_BOX, ...boxes])];
}

/** A destination for people. Only the host of a webhook is shown, since its URL may contain a secret. */
export function describeDestination(destination: Destination): string {
  if (!isWebhook(destination)) return `${boxOf(destination)}:${destination.to}`;
  return `webhook on ${URL.canParse(destination.webhook) ? new URL(destination.webhook).host : 'an invalid URL'}`;
}

export const CHANNEL_DESTINATION_HINT = '<channel>:<to>, e.g. slack:C0123456789';

/**
 * Parses `<channel>:<to>` or `<channel>/<account>:<to>`; undefined if the text has another form. The parts are checked
 * with the task.
 */
export function parseChannelDestination(text: string): ChannelDestination | undefined {
  const [, channel, account, to] = /^([^:/]+)(?:\/([^:]+))?:(.+)$/su.exec(text) ?? [];
  if (channel === undefined || to === undefined) return undefined;
  return { channel, to, ...(account !== undefined && { account }) };
}

/** Whether and how the answer of a task has been sent, as `task show --json` prints it. */
export interface Delivery {
  /** `pending` until it is `delivered`, or has `failed` for good. */
  readonly state: 'pending' | 'delivered' | 'failed';
  /** Why it is pending or has failed, for people; null if there is nothing to say. */
  readonly reason: string | null;
  /** The recipient, for people. */
  readonly to: string;
  /** Number of failed tries. */
  readonly tries: number;
  /** When it was delivered or failed; null before. */
  readonly at: string | null;
}
