import type { BarEnd } from '../timeline.ts';
import { moment } from './axis.ts';
import type { PlacedBar } from './run-store.ts';
import { short, span } from './words.ts';

export const END_WORDS: Readonly<Record<BarEnd, string>> = {
  claimed: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  retry: 'failed, will be retried',
  handover: 'interrupted, handed over',
};

/** A run in a sentence. */
export function runWords(bar: PlacedBar, now: number, title: string | undefined): string {
  const { task, node, attempt, from, to, end } = bar;
  const name = title ? `${short(task.id)} “${title}”` : short(task.id);
  const handover = handoverWords(bar);
  const words = `${name} on ${node}, attempt ${attempt}: ${END_WORDS[end]}, ${span((to ?? now) - from)}, from ${moment(from, now)}`;
  return handover === '' ? words : `${words}; ${handover}`;
}

/** What happened to the task after this run, if it was handed over. */
export function handoverWords({ task, index, to, reason, end }: PlacedBar): string {
  if (end !== 'handover') return '';
  const next = task.bars[index + 1];
  return `${reason}, ${next ? `claimed by ${next.node} after ${span(next.from - (to ?? next.from))}` : 'waits for a node'}`;
}
