import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createChatChannelPlugin, defineChannelPluginEntry } from 'openclaw/plugin-sdk/channel-core';
import {
  buildChannelInboundEventContext,
  resolveChannelInboundRouteEnvelope,
} from 'openclaw/plugin-sdk/channel-inbound';
import { PlatformMessageNotDispatchedError } from 'openclaw/plugin-sdk/error-runtime';

// A chat for tests that needs no network. Its config names a folder:
//   sent.jsonl    every message that OpenClaw sends, a line of JSON each
//   control.json  optional, read before each send: {"delayMs": 500, "fail": "before" | "unsure" | "after" | "hang"}
// Recipients are `user:<name>` and `room:<name>`. The gateway method `testchat.receive` plays a message to OpenClaw.

const CHANNEL = 'testchat';
const RECIPIENT = /^(user|room):\S+$/;
/** @type {any} */
let runtime;

const section = (cfg) => cfg.channels?.[CHANNEL] ?? {};

function control(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, 'control.json'), 'utf8'));
  } catch {
    return {};
  }
}

/** Takes a message as a chat would, and does to it what control.json says. */
async function send({ cfg, to, text, mediaUrl, accountId, threadId, replyToId }) {
  const { folder } = section(cfg);
  const { delayMs = 0, fail } = control(folder);
  if (!RECIPIENT.test(to)) throw new Error(`no such recipient: ${to}`);
  if (delayMs > 0) await sleep(delayMs);
  if (fail === 'hang') await new Promise(() => {});
  if (fail === 'before')
    throw new PlatformMessageNotDispatchedError('the test chat is down', { cause: new Error('down') });
  if (fail === 'unsure') throw new Error('the test chat broke before it had taken the message');
  const messageId = randomUUID();
  const message = {
    messageId,
    at: Date.now(),
    account: accountId ?? 'default',
    to,
    threadId: threadId ?? null,
    replyToId: replyToId ?? null,
    text: text ?? '',
    mediaUrl: mediaUrl ?? null,
  };
  appendFileSync(join(folder, 'sent.jsonl'), `${JSON.stringify(message)}\n`);
  if (fail === 'after') throw new Error('the test chat broke after it had taken the message');
  return { messageId };
}

/** Passes a user's message to OpenClaw, and waits until it has been answered. */
async function receive({ from, room, threadId, text, account = 'default', id = randomUUID() }) {
  const cfg = runtime.config.current();
  const kind = room === undefined ? 'direct' : 'group';
  const address = room === undefined ? `user:${from}` : `room:${room}`;
  const peer = { kind, id: address };
  const { route, buildEnvelope } = resolveChannelInboundRouteEnvelope({
    cfg,
    channel: CHANNEL,
    accountId: account,
    peer,
  });
  const { agentId } = route;
  const sessionKey = threadId === undefined ? route.sessionKey : `${route.sessionKey}:thread:${threadId}`;
  const timestamp = Date.now();
  const ctxPayload = buildChannelInboundEventContext({
    channel: CHANNEL,
    accountId: account,
    messageId: id,
    timestamp,
    from: address,
    sender: { id: from, name: from },
    conversation: { kind, id: address, label: address, routePeer: peer, threadId, nativeChannelId: address },
    route: { agentId, accountId: account, routeSessionKey: sessionKey, dispatchSessionKey: sessionKey },
    reply: { to: address, originatingTo: address, messageThreadId: threadId },
    message: {
      body: buildEnvelope({ channel: 'Test chat', from, body: text, timestamp }),
      rawBody: text,
      bodyForAgent: text,
      commandBody: text,
    },
    access: { commands: { authorized: true } },
    channelIngress: 'unsupported',
    extra: { OriginatingChannel: CHANNEL },
  });
  await runtime.channel.inbound.dispatch({
    cfg,
    channel: CHANNEL,
    accountId: account,
    route: { agentId, sessionKey },
    ctxPayload,
    record: { onRecordError: rethrow },
    delivery: {
      deliver: async ({ text: answer, mediaUrl }) => {
        const { messageId } = await send({
          cfg,
          to: address,
          text: answer,
          mediaUrl,
          accountId: account,
          threadId,
          replyToId: id,
        });
        return { messageIds: [messageId], visibleReplySent: true };
      },
      onError: rethrow,
    },
    replyPipeline: {},
  });
  return { id, sessionKey, agentId };
}

function rethrow(error) {
  throw error;
}

const testChat = createChatChannelPlugin({
  base: {
    id: CHANNEL,
    meta: {
      id: CHANNEL,
      label: 'Test chat',
      selectionLabel: 'Test chat',
      docsPath: '/channels/testchat',
      blurb: 'A chat in a folder, for tests.',
    },
    capabilities: { chatTypes: ['direct', 'group', 'thread'], threads: true, media: true },
    reload: { configPrefixes: [`channels.${CHANNEL}`] },
    config: {
      listAccountIds: (cfg) => section(cfg).accounts ?? ['default'],
      resolveAccount: (cfg, accountId) => ({
        accountId: accountId ?? 'default',
        enabled: section(cfg).enabled !== false,
        configured: Boolean(section(cfg).folder),
      }),
      isEnabled: ({ enabled }) => enabled,
      isConfigured: ({ configured }) => configured,
    },
    setup: { applyAccountConfig: ({ cfg }) => cfg },
    messaging: {
      normalizeTarget: (raw) => raw.trim() || undefined,
      inferTargetChatType: ({ to }) => (to.startsWith('room:') ? 'group' : 'direct'),
      targetResolver: { looksLikeId: (raw) => RECIPIENT.test(raw.trim()), hint: '<user:name|room:name>' },
    },
    gateway: {
      startAccount: async ({ accountId, abortSignal, setStatus }) => {
        setStatus({ accountId, running: true, connected: true, configured: true, enabled: true });
        await new Promise((resolve) => abortSignal.addEventListener('abort', resolve, { once: true }));
        setStatus({ accountId, running: false, connected: false });
      },
    },
  },
  outbound: {
    base: { deliveryMode: 'direct' },
    attachedResults: { channel: CHANNEL, sendText: send, sendMedia: send },
  },
});

export default defineChannelPluginEntry({
  id: CHANNEL,
  name: 'Test chat',
  description: 'A chat in a folder, for tests.',
  plugin: testChat,
  setRuntime: (value) => {
    runtime = value;
  },
  registerFull: (api) => {
    api.registerGatewayMethod(
      'testchat.receive',
      async ({ params, respond }) => {
        try {
          respond(true, await receive(params));
        } catch (error) {
          respond(false, undefined, { code: 'UNAVAILABLE', message: String(error) });
        }
      },
      { scope: 'operator.write' },
    );
  },
});
