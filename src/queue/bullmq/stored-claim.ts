import * as z from 'zod';
import type { Claim } from '../../domain/claim.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import { TASK_FORMAT } from '../../domain/target.ts';
import { readField, type StoredSpec, storedHistoryLine, storedSpec } from './task-fields.ts';

/** The part of BullMQ's job options that we use: `tm` is set if the task was queued in a trace. */
const tracedOptions = z.object({ tm: z.string().optional() });

/** The part that all formats of stored tasks share, and that a node needs to release a task. */
const anyFormat = z.object({
  v: z.number().int().positive(),
  agent: z.string().optional().catch(undefined),
  session: z.string().optional().catch(undefined),
  node: z.string().optional().catch(undefined),
  nodeFallback: z.boolean().optional().catch(undefined),
});

/**
 * A claimed task, parsed from its hash. `spec` is undefined if the task is unreadable; `newer` is its format if only a
 * newer clawmesh can read it.
 */
export function storedClaim(
  taskId: string,
  pool: string,
  token: string,
  fields: ReadonlyMap<string, string>,
): { claim: Claim; spec: StoredSpec | undefined; newer: number | undefined } {
  const count = (name: string) => Number(fields.get(name) ?? 0);
  const spec = readField(storedSpec, fields.get('data'));
  const { v: format = 0, ...part } = spec ? {} : (readField(anyFormat, fields.get('data')) ?? {});
  const last = lastHistoryLine(fields);
  const claim: Claim = {
    taskId,
    pool,
    token,
    spec: spec ?? { ...part, message: '', tags: {} },
    attempt: count('atm') + 1,
    maxAttempts: count('cm:max') || (spec?.attempts ?? 1),
    handovers: count('cm:handovers'),
    holds: count('cm:holds'),
    refusedOn: fields.get('cm:refusedOn') ?? null,
    fellBack: fields.has('cm:fellBack'),
    movedFrom: fields.get('cm:movedFrom'),
    trace: traceOf(fields.get('opts')),
    claimedAt: count('processedOn'),
    readyAt: count('timestamp') + count('delay'),
    takenOver: takenOver(fields, last),
    previousEnd: last?.reason,
  };
  return { claim, spec, newer: format > TASK_FORMAT ? format : undefined };
}

/** Most tasks are in no trace, and parsing their options would take longer than the rest of a claim. */
function traceOf(options: string | undefined): string | undefined {
  return options?.includes('"tm":') ? readField(tracedOptions, options)?.tm : undefined;
}

type HistoryLine = z.infer<typeof storedHistoryLine>;

/** The last run that did not end the task; undefined for a task that runs for the first time. */
function lastHistoryLine(fields: ReadonlyMap<string, string>): HistoryLine | undefined {
  return readField(storedHistoryLine, fields.get('cm:history')?.trimEnd().split('\n').at(-1));
}

/** The handover that this claim ends, if that is the last event of the task. */
function takenOver(fields: ReadonlyMap<string, string>, last: HistoryLine | undefined): Claim['takenOver'] {
  if (!fields.has('cm:handovers')) return undefined;
  if (last?.event !== 'handover') return undefined;
  return { reason: last.reason as HandoverReason, lostAt: last.at - (last.silentMs ?? 0) };
}
