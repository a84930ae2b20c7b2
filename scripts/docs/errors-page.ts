import { EXIT, EXIT_CODES } from '../../src/cli/exit.ts';
import { ERROR_RULES } from '../../src/domain/error-kind.ts';
import { ERROR_CODES } from '../../src/domain/errors.ts';
import { HANDOVER_REASONS } from '../../src/domain/handover.ts';
import { PASSING_REPLIES } from '../../src/redis/refusal.ts';
import { page, table } from './markdown.ts';

const CIRCUIT: Readonly<Record<(typeof ERROR_RULES)[keyof typeof ERROR_RULES]['seen'], string>> = {
  ok: 'closes it: the provider serves requests',
  rate_limit: 'opens it',
  provider: 'counts as a failure; opens it at once if the provider reports an outage',
  unsure: 'none: an open circuit stays open',
};

/** The table of exit codes, for this page and for that of the command line. */
export function exitCodeLines(): string[] {
  return table(['exit code', 'meaning'], Object.entries(EXIT_CODES));
}

export function errorsPage(): string {
  const codes = Object.entries(ERROR_CODES).map(([code, meaning]) => {
    return [`\`${code}\``, String(EXIT[code as keyof typeof ERROR_CODES]), meaning];
  });
  const kinds = Object.entries(ERROR_RULES).map(([kind, { means, retryable, reassigned, seen }]) => {
    return [`\`${kind}\``, means, retryable ? 'yes' : 'no', reassigned ? 'yes' : 'no', CIRCUIT[seen]];
  });
  const sources = ['error-kind', 'errors', 'handover'].map((name) => `src/domain/${name}.ts`);
  return page('Errors', `${sources.join(', ')}, src/cli/exit.ts and src/redis/refusal.ts`, [
    '## Exit codes',
    '',
    ...exitCodeLines(),
    '',
    '## Error codes',
    '',
    'A `ClawmeshError` of the library has one of these as its `code`; a command ends with the exit code beside it.',
    '',
    ...table(['code', 'exit code', 'meaning'], codes),
    '',
    '## Error kinds of tasks',
    '',
    '`error.kind` of a task, and what the mesh does after a run that failed with it.',
    '',
    ...table(['kind', 'meaning', 'retried', 'reassigned', 'circuit of the provider'], kinds),
    '',
    '- *Retried*: another attempt follows after a back-off (`queue.backoff`), while attempts are left.',
    '- *Reassigned*: the task goes to another node, if one is up that serves its pool and has not refused it; otherwise it fails.',
    '- *Circuit*: while it is open, the tasks of the provider are held; a task whose run opened it is held, too.',
    '',
    '[Outages](../explanation/outages.md) explains why.',
    '',
    '## Reasons of handovers',
    '',
    ...table(
      ['reason', 'meaning'],
      Object.entries(HANDOVER_REASONS).map(([reason, meaning]) => [`\`${reason}\``, meaning]),
    ),
    '',
    '## Errors of Redis that pass',
    '',
    'Redis replies with these when it is in a state that will pass, or that an operator can change. A node repeats the request',
    'and loses no result; a command fails with exit code 3. An error that repeats and is none of these fails the task.',
    '',
    `${PASSING_REPLIES.map((reply) => `\`${reply}\``).join(', ')}.`,
    '',
    '[Redis troubles](../how-to/redis-troubles.md) has the remedies.',
  ]);
}
