import { humanDuration } from '../../domain/units.ts';
import { KEYS, type Question } from './actions.ts';
import { fitting, longestFitting } from './columns.ts';
import type { Section } from './sections.ts';
import type { View } from './top-state.ts';

/** The first line of the screen: the mesh in numbers, as long as the terminal allows. */
export function headline({ snapshot }: View, width: number): string {
  const { mesh, redis, nodes, pools } = snapshot;
  const states = Object.entries(nodes)
    .filter(([state, count]) => count > 0 || state === 'up')
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
  const sum = (state: 'waiting' | 'active' | 'failed') =>
    Object.values(pools).reduce((total, pool) => total + pool[state], 0);
  const tasks = `${sum('active')} active, ${sum('waiting')} waiting, ${sum('failed')} failed`;
  const counts = `nodes: ${states} · tasks: ${tasks}`;
  const texts = [`mesh ${mesh} · ${counts} · Redis ${redis.latencyMs} ms`, `mesh ${mesh} · ${counts}`, counts];
  return longestFitting([...texts, `${states} · ${tasks}`], width);
}

/** The line for a screen that is out of date. */
export function outageLine(why: string, view: View | undefined, now: number): string {
  const age = view && now - view.readAt;
  return age === undefined ? `✗ ${why}` : `✗ as of ${humanDuration(age)} ago: ${why}`;
}

/** The last line of the screen: a question, else what was typed or done, else the most useful keys. */
export function footer(
  now: {
    readonly question: Question | undefined;
    readonly typing: boolean;
    readonly filter: string;
    readonly note: string;
    readonly section: Section;
  },
  width: number,
): string {
  if (now.question) return `${now.question.text} y/n`;
  if (now.typing) return `filter: ${now.filter}▏ (Enter keeps it, Esc clears it)`;
  if (now.note) return now.note;
  const filter = now.filter ? [`/ filter "${now.filter}"`] : [];
  const keys = KEYS[now.section].map(({ key, hint }) => `${key} ${hint}`);
  return fitting([...filter, 'Tab section', ...keys, '↑↓ select', '/ filter'], '? help · q quit', width);
}
