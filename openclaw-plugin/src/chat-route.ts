import type { ChannelDestination, Origin } from '../../src/domain/delivery.ts';
import type { CommandContext, ToolContext } from './plugin-api.ts';

/** The chat that a request came from: recorded with the task, and the recipient of its answer. */
export interface ChatRoute {
  readonly origin: Origin;
  /** Undefined if the request came from no chat, such as a run of the CLI. */
  readonly deliver: ChannelDestination | undefined;
}

/** Channels inside OpenClaw, which have no way back but the session itself. */
const INTERNAL = new Set(['webchat', 'internal', 'cli', 'api']);

/** The chat of an agent's turn. */
export function routeOfTool({
  deliveryContext,
  messageChannel,
  requesterSenderId,
  agentId,
  sessionKey,
}: ToolContext): ChatRoute {
  const { channel = messageChannel, to, accountId, threadId } = deliveryContext ?? {};
  return route({ channel, to, accountId, threadId, sender: requesterSenderId, agent: agentId, session: sessionKey });
}

/** The chat of a slash command. `to` is where the channel replies to. */
export function routeOfCommand(context: CommandContext): ChatRoute {
  const { channel, to, from, accountId, messageThreadId, senderId, agentId, sessionKey } = context;
  return route({
    channel,
    to: to ?? from,
    accountId,
    threadId: messageThreadId,
    sender: senderId,
    agent: agentId,
    session: sessionKey,
  });
}

function route(chat: {
  readonly channel: string | undefined;
  readonly to: string | undefined;
  readonly accountId: string | undefined;
  readonly threadId: string | number | undefined;
  readonly sender: string | undefined;
  readonly agent: string | undefined;
  readonly session: string | undefined;
}): ChatRoute {
  const { channel, to, accountId, threadId, sender, agent, session } = chat;
  const origin = present({ channel, sender, agent, session });
  if (channel === undefined || to === undefined || INTERNAL.has(channel)) return { origin, deliver: undefined };
  const thread = threadId === undefined ? undefined : String(threadId);
  return { origin, deliver: { channel, to, ...present({ account: accountId, thread }) } };
}

/** Without undefined and empty fields. */
function present<T extends Record<string, string | undefined>>(fields: T): { [K in keyof T]?: string } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(entries) as { [K in keyof T]?: string };
}
