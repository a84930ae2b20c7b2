import { createHmac } from 'node:crypto';
import { answerText } from '../domain/answer-text.ts';
import type { Clock } from '../domain/clock.ts';
import { isWebhook } from '../domain/delivery.ts';
import { messageOf } from '../domain/errors.ts';
import { wellFormedJson } from '../domain/text.ts';
import { postText } from '../platform/deliver.ts';
import type { Answer, TakenDelivery } from '../queue/bullmq/outbox.ts';
import type { Messenger, SendResult } from '../runners/messenger.ts';

/** HTTP statuses with which a receiver asks for another try (RFC 9110, RFC 6585). */
const TRY_AGAIN = [408, 425, 429];

export interface AnswerSender {
  readonly messenger: Messenger | undefined;
  readonly webhookSecret: string;
  readonly clock: Clock;
}

/** Sends an answer to its recipient. Never rejects. */
export async function sendAnswer(
  { content, idempotencyKey }: Pick<TakenDelivery, 'content' | 'idempotencyKey'>,
  { messenger, webhookSecret, clock }: AnswerSender,
): Promise<SendResult> {
  if ('problem' in content) return { sent: false, retryable: false, reason: content.problem };
  const { destination, answer } = content;
  if (isWebhook(destination)) {
    const text = wellFormedJson(webhookBody(answer, idempotencyKey));
    const headers = webhookHeaders(text, { idempotencyKey, secret: webhookSecret, now: clock.now() });
    return callWebhook(destination.webhook, text, headers);
  }
  if (!messenger) return { sent: false, retryable: true, reason: 'the node has no OpenClaw gateway' };
  const media = (answer.result?.media ?? []).filter((url) => /^https?:/i.test(url));
  return messenger.send({ destination, text: answerText(answer), media, idempotencyKey });
}

/** What a webhook gets; `task` has the names of `task show --json`. */
function webhookBody({ taskId, pool, message, agent, result, error }: Answer, idempotencyKey: string): object {
  const state = error === null ? 'completed' : error.kind === 'cancelled' ? 'cancelled' : 'failed';
  return { event: 'task-ended', idempotencyKey, task: { id: taskId, pool, state, message, agent, result, error } };
}

/**
 * The headers of a webhook call. The signature covers the time and the body, so that a receiver can refuse an old
 * call: `t=<Unix time, s>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`, the form that Stripe uses.
 */
export function webhookHeaders(
  body: string,
  { idempotencyKey, secret, now }: { idempotencyKey: string; secret: string; now: number },
): Record<string, string> {
  const headers = { 'idempotency-key': idempotencyKey, 'user-agent': 'clawmesh' };
  if (secret === '') return headers;
  const time = Math.floor(now / 1_000);
  const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return { ...headers, 'clawmesh-signature': `t=${time},v1=${signature}` };
}

async function callWebhook(url: string, text: string, headers: Record<string, string>): Promise<SendResult> {
  try {
    const status = await postText(url, text, { headers });
    if (status < 300) return { sent: true };
    const retryable = status >= 500 || TRY_AGAIN.includes(status);
    return { sent: false, retryable, reason: `the webhook has answered ${status}` };
  } catch (error) {
    return { sent: false, retryable: true, reason: messageOf(error) };
  }
}
