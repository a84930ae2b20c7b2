import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayClient } from '@openclaw/gateway-client';
import { PROTOCOL_VERSION } from '@openclaw/gateway-protocol/version';
import { emptyFolder } from './folders.ts';
import { GATEWAY_TOKEN } from './openclaw.ts';

/** A message that OpenClaw has sent into the test chat. */
export interface SentMessage {
  readonly at: number;
  readonly to: string;
  readonly threadId: string | null;
  readonly text: string;
}

/** What a person writes into the test chat. */
export interface WrittenMessage {
  readonly from: string;
  readonly text: string;
  readonly room?: string;
  readonly threadId?: string;
}

/** The chat that test/support/openclaw-test-channel connects an OpenClaw to. */
export class TestChat {
  readonly folder = emptyFolder();

  /** Everything that was sent into the chat, oldest first. */
  get sent(): SentMessage[] {
    try {
      const lines = readFileSync(join(this.folder, 'sent.jsonl'), 'utf8').trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  }

  /** What the chat does to further messages; see the channel. */
  control(faults: { readonly delayMs?: number; readonly fail?: 'before' | 'unsure' | 'after' | 'hang' }): void {
    writeFileSync(join(this.folder, 'control.json'), JSON.stringify(faults));
  }
}

/** Plays a person's message to the OpenClaw behind this gateway, and resolves when it has been answered. */
export async function writeTo(gatewayUrl: string, message: WrittenMessage): Promise<void> {
  const connected = Promise.withResolvers<void>();
  const client = new GatewayClient({
    url: gatewayUrl,
    token: GATEWAY_TOKEN,
    clientDisplayName: 'a person',
    minProtocol: PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    onHelloOk: () => connected.resolve(),
    onConnectError: (error) => connected.reject(error),
  });
  client.start();
  try {
    await connected.promise;
    await client.request('testchat.receive', message, { timeoutMs: 600_000 });
  } finally {
    await client.stopAndWait({ timeoutMs: 1_000 }).catch(() => {});
  }
}
