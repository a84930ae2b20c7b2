import * as z from 'zod';
import { messageOf } from '../domain/errors.ts';
import type { Outcome } from '../domain/task.ts';
import { taskError } from '../domain/task.ts';
import { attachmentsOf, payload } from './attachments.ts';
import { classifyError } from './classify.ts';
import type { AgentEvent } from './gateway-connection.ts';
import { reportedUsage, tokenCount, usageOf } from './reported-usage.ts';
import type { RunEvent } from './runner.ts';

/** The final reply to `agent`: a snapshot of the run with its output and usage. */
const agentReply = z.object({
  runId: z.string().optional(),
  status: z.string(),
  summary: z.string().optional(),
  error: z.string().optional(),
  result: z
    .object({
      payloads: z.array(payload.extend({ text: z.string().nullish() })).nullish(),
      meta: z
        .object({
          aborted: z.boolean().optional(),
          agentMeta: z
            .object({
              provider: z.string().nullish(),
              model: z.string().nullish(),
              usage: reportedUsage,
            })
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

/** Whether the gateway says that this run has not ended. */
export function isInFlight(reply: unknown): boolean {
  const parsed = agentReply.safeParse(reply);
  return parsed.success && (parsed.data.status === 'in_flight' || parsed.data.status === 'accepted');
}

/** Whether a reply to `agent.wait` reports the run's end and not just the end of the wait. */
export function isTerminalWait(reply: unknown): boolean {
  const parsed = z.object({ status: z.string(), endedAt: z.number().optional() }).safeParse(reply);
  if (!parsed.success) return false;
  const { status, endedAt } = parsed.data;
  return status === 'ok' || status === 'error' || (status === 'timeout' && endedAt !== undefined);
}

/**
 * The outcome in a final reply to `agent`.
 *
 * @param now see {@link classifyError}.
 */
export function gatewayOutcome(
  reply: unknown,
  { runId, durationMs, now }: { runId: string; durationMs: number; now: number },
): Outcome {
  const parsed = agentReply.safeParse(reply);
  if (!parsed.success) {
    return { ok: false, error: taskError('unknown', 'the gateway sent a reply that clawmesh does not understand') };
  }
  const { status, result, error, summary } = parsed.data;
  if (status === 'timeout')
    return { ok: false, error: taskError('timeout', error ?? 'OpenClaw stopped the run at its deadline') };
  if (status !== 'ok') return { ok: false, error: classifyError(error ?? summary ?? status, now) };
  if (result?.meta?.aborted) return { ok: false, error: taskError('cancelled', 'the run was aborted in OpenClaw') };
  const meta = result?.meta?.agentMeta;
  const texts = (result?.payloads ?? []).flatMap(({ text }) => (text ? [text] : []));
  return {
    ok: true,
    result: {
      text: texts.join('\n\n'),
      usage: usageOf(meta?.usage),
      model: meta?.model ? [meta.provider, meta.model].filter(Boolean).join('/') : null,
      runId,
      durationMs,
      ...attachmentsOf(result?.payloads),
    },
  };
}

/** An error reply of the gateway, as its client returns it. */
interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly responsePayload?: unknown;
}

/**
 * The outcome in an error reply to `agent`: the run failed, or the gateway refused it.
 *
 * @param now see {@link classifyError}.
 */
export function refusal(error: Refusal, now: number): Outcome {
  if (error.code === 'INVALID_REQUEST') return { ok: false, error: taskError('invalid', messageOf(error)) };
  return { ok: false, error: classifyError(messageOf(error), now) };
}

/**
 * Whether the gateway accepted no runs at that moment, for example during a start or shutdown. The reply for a failed
 * run has a payload.
 */
export function wasTurnedAway(error: Refusal): boolean {
  return error.responsePayload === undefined && (error.retryable || error.code === 'UNAVAILABLE');
}

/** Translates a gateway event for readers of the task's log; empty for many events. */
export function describeEvent({ stream, data }: AgentEvent): RunEvent[] {
  const text = (name: string): string | undefined => (typeof data[name] === 'string' ? data[name] : undefined);
  const { data: tokens } = tokenCount.safeParse(data.outputTokens);
  if (stream === 'usage' && tokens !== undefined) return [{ type: 'progress', note: 'answering', tokens }];
  if (stream === 'assistant' && text('delta')) return [{ type: 'text', delta: text('delta') ?? '' }];
  if (stream === 'tool') {
    const name = text('name') ?? text('toolName') ?? 'tool';
    const phase = text('phase') ?? 'start';
    const events: RunEvent[] = [{ type: 'log', text: `tool ${name}: ${phase}` }];
    return phase === 'start' ? [...events, { type: 'progress', note: `tool ${name}`, tokens: null }] : events;
  }
  if (stream === 'lifecycle') {
    const phase = text('phase');
    if (phase === 'start') return [{ type: 'log', text: 'run started' }];
    if (phase === 'model' && text('model'))
      return [{ type: 'log', text: `model ${text('provider')}/${text('model')}` }];
    if (phase === 'error') return [{ type: 'log', text: `run failed: ${text('error') ?? 'no reason given'}` }];
    if (phase === 'end') return [{ type: 'log', text: 'run ended' }];
  }
  return [];
}
