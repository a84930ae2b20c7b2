import { z } from 'zod';
import { type Outcome, taskError } from '../domain/task.ts';
import { classifyError } from './classify.ts';
import { reportedUsage, usageOf } from './reported-usage.ts';

/** What `openclaw agent exec --json` prints; fields that are absent or new do no harm. */
const envelope = z.object({
  ok: z.boolean(),
  status: z.string().optional(),
  final: z.string().nullish(),
  payloads: z.array(z.object({ text: z.string().nullish() })).nullish(),
  usage: reportedUsage,
  model: z.string().nullish(),
  provider: z.string().nullish(),
  sessionId: z.string().nullish(),
  error: z.object({ message: z.string(), kind: z.string().optional() }).nullish(),
});

/** How the process ended. */
export interface ExecEnd {
  readonly stdout: string;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly durationMs: number;
}

/** The outcome of an `agent exec` process, from its envelope where there is one, else from how it ended. */
export function execOutcome(end: ExecEnd): Outcome {
  const parsed = envelope.safeParse(lastJsonObject(end.stdout));
  if (!parsed.success) return { ok: false, error: withoutEnvelope(end) };
  const { data } = parsed;
  if (!data.ok) {
    if (data.status === 'timeout') {
      return { ok: false, error: taskError('timeout', data.error?.message ?? 'OpenClaw gave up at its deadline') };
    }
    return { ok: false, error: classifyError(data.error?.message ?? data.status ?? '') };
  }
  const texts = (data.payloads ?? []).flatMap(({ text }) => (text ? [text] : []));
  return {
    ok: true,
    result: {
      text: data.final || texts.join('\n\n'),
      usage: usageOf(data.usage),
      model: data.model ? [data.provider, data.model].filter(Boolean).join('/') : null,
      runId: data.sessionId ?? null,
      durationMs: end.durationMs,
    },
  };
}

function withoutEnvelope(end: ExecEnd) {
  const how = end.signal ? `was ended by ${end.signal}` : `ended with exit code ${end.exitCode}`;
  const printed = end.stdout.trim().slice(0, 200);
  const what = printed ? `and printed no result envelope but: ${printed}` : 'and printed nothing';
  return taskError('crash', `openclaw ${how} ${what}`);
}

/** The envelope is one JSON object; plugins have been seen to print lines before it. */
function lastJsonObject(stdout: string): unknown {
  const text = stdout.trim();
  for (let start = text.indexOf('{'); start >= 0; start = nextLineObject(text, start)) {
    try {
      return JSON.parse(text.slice(start));
    } catch {
      // Not the beginning of the envelope.
    }
  }
  return undefined;
}

function nextLineObject(text: string, after: number): number {
  const next = text.indexOf('\n{', after);
  return next < 0 ? -1 : next + 1;
}
