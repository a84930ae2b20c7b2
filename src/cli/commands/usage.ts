import type { UsageSum } from '../../queue/usage.ts';
import type { Output } from '../output.ts';

/** Prints the usage of completed tasks, newest day first. */
export function printUsage(out: Output, sums: readonly UsageSum[]): void {
  if (out.json) out.document<'task list --usage'>({ usage: sums }, 'usage');
  else if (sums.length === 0) out.note('no completed task has reported its usage');
  else printTable(out, sums);
}

function printTable(out: Output, sums: readonly UsageSum[]): void {
  out.table(
    ['DAY (UTC)', 'AGENT', 'MODEL', 'TASKS', 'INPUT', 'OUTPUT', 'TOTAL', 'COST'],
    sums.map(({ day, agent, model, tasks, input, output, total, cost }) => [
      day,
      agent ?? '-',
      model ?? '-',
      ...[tasks, input, output, total].map(String),
      cost === null ? '-' : cost.toFixed(4),
    ]),
  );
}
