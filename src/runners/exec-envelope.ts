import * as z from 'zod';
import { cutText } from '../domain/cut-text.ts';
import { keptResult, MAX_RESULT_BYTES, type Outcome, taskError } from '../domain/task.ts';
import { attachmentsOf, payload } from './attachments.ts';
import { classifyError } from './classify.ts';
import { type FoundObject, JsonObjects } from './json-objects.ts';
import { reportedUsage, usageOf } from './reported-usage.ts';

/** Longest envelope to keep, bytes; several times the size of one with a 1 MiB text. */
const MAX_ENVELOPE_BYTES = 8 * 1024 * 1024;
/** Bytes of other output to keep, to quote if there is no envelope. */
const QUOTED_BYTES = 1_000;
const QUOTED_LENGTH = 200;
/** Longest error message to keep, in characters. */
const MAX_MESSAGE = 2_000;

/** Output of `openclaw agent exec --json`; missing or new fields do no harm. */
const envelopeSchema = z.object({
  ok: z.boolean(),
  status: z.string().optional().catch(undefined),
  final: z.string().nullish().catch(undefined),
  payloads: z
    .array(payload.extend({ text: z.string().nullish().catch(undefined) }))
    .nullish()
    .catch(undefined),
  usage: reportedUsage,
  model: z.string().nullish().catch(undefined),
  provider: z.string().nullish().catch(undefined),
  sessionId: z.string().nullish().catch(undefined),
  error: z.object({ message: z.string() }).nullish().catch(undefined),
});
type EnvelopeFields = z.infer<typeof envelopeSchema>;

interface Envelope {
  readonly fields: EnvelopeFields;
  readonly leftOut: FoundObject['leftOut'];
}

export interface ExecEnd {
  readonly stdout: ExecStdout;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
}

/**
 * Parses the output of an `agent exec` process as it arrives. The last complete envelope counts, wherever it is:
 * plugins print lines before and after it.
 */
export class ExecStdout {
  readonly #objects = new JsonObjects({ stringBytes: MAX_RESULT_BYTES, objectBytes: MAX_ENVELOPE_BYTES }, (found) =>
    this.#take(found),
  );
  #head = Buffer.alloc(0);
  #envelope: Envelope | undefined;
  /** An object with only an `ok`: it counts if no better one arrives. */
  #bare: Envelope | undefined;
  #count = 0;

  push(chunk: Buffer): void {
    if (this.#head.length < QUOTED_BYTES) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, QUOTED_BYTES - this.#head.length)]);
    }
    this.#objects.push(chunk);
  }

  /** Called after the last chunk. */
  end(): void {
    this.#objects.end();
  }

  /** Number of complete envelopes so far. */
  get envelopes(): number {
    return this.#count;
  }

  get envelope(): Envelope | undefined {
    return this.#envelope ?? this.#bare;
  }

  /** The beginning of the whole output. */
  get head(): string {
    return cutText(this.#head.toString('utf8').trim(), QUOTED_LENGTH);
  }

  #take({ json, leftOut }: FoundObject): void {
    if (!json.includes('"ok"')) return;
    const parsed = envelopeSchema.safeParse(parseJson(json));
    if (!parsed.success) return;
    const fields = parsed.data;
    const envelope = { fields, leftOut };
    if (typeof fields.final === 'string' || fields.payloads || fields.error || (!fields.ok && fields.status)) {
      this.#envelope = envelope;
      this.#count++;
    } else {
      this.#bare = envelope;
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The outcome of an `agent exec` process: from its envelope if it has one, else from how it ended.
 *
 * @param now see {@link classifyError}.
 */
export function execOutcome(end: ExecEnd, now: number): Outcome {
  const { envelope } = end.stdout;
  if (!envelope) return { ok: false, error: withoutEnvelope(end) };
  const { fields, leftOut } = envelope;
  if (!fields.ok) {
    if (fields.status === 'timeout') {
      const message =
        (fields.error && cutText(fields.error.message, MAX_MESSAGE)) ?? 'OpenClaw stopped the run at its deadline';
      return { ok: false, error: taskError('timeout', message) };
    }
    return { ok: false, error: classifyError(fields.error?.message ?? fields.status ?? '', now) };
  }
  const texts = (fields.payloads ?? []).flatMap(({ text }) => (text ? [text] : []));
  const result = {
    text: fields.final || texts.join('\n\n'),
    usage: usageOf(fields.usage),
    model: fields.model ? [fields.provider, fields.model].filter(Boolean).join('/') : null,
    runId: fields.sessionId ?? null,
    durationMs: end.durationMs,
    ...attachmentsOf(fields.payloads),
  };
  return { ok: true, result: keptResult(result, leftOut.get(fields.final ? 'final' : 'payloads')) };
}

function withoutEnvelope({ stdout, exitCode, signal }: ExecEnd) {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${exitCode}`;
  const what = stdout.head ? `and printed no result, but: ${stdout.head}` : 'and printed nothing';
  return taskError('crash', `openclaw ${how} ${what}`);
}
