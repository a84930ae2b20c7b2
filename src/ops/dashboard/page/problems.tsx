import type { FindingAction } from '../../../domain/finding.ts';
import { MARKS } from '../../problems.ts';
import type { Snapshot } from '../../snapshot.ts';
import { BulkButton } from './bulk.tsx';
import { apiPath } from './requests.ts';
import { pageLink } from './route.ts';
import { type Action, ActionButton } from './steering.tsx';

/** The problems of the mesh, with their remedies, and buttons for those that a command applies. */
export function Problems({ problems, steer }: Pick<Snapshot, 'problems'> & { steer: boolean }) {
  if (problems.length === 0) return null;
  return (
    <section class="problems" aria-label="Problems">
      <ul>
        {problems.map(({ severity, what, fix, actions }) => (
          <li key={what} class={severity}>
            <b aria-hidden="true">{MARKS[severity]}</b>
            <p>
              <span class="hidden">{severity}: </span>
              {what}
              <small>{fix}</small>
            </p>
            <div class="buttons">
              {actions.some(({ command }) => command === 'task retry') && (
                <a class="button" href={pageLink('tasks', failedIn(actions[0]?.subject ?? ''))}>
                  Show
                </a>
              )}
              {steer && actions.map((action) => <Remedy key={action.command} action={action} />)}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function failedIn(pool: string) {
  return { state: 'failed', pool, unacknowledged: 'true' };
}

function Remedy({ action: { command, subject } }: { action: FindingAction }) {
  if (command === 'task retry' || command === 'task ack') {
    const filter = new URLSearchParams(failedIn(subject));
    return <BulkButton action={command === 'task retry' ? 'retry' : 'ack'} target={{ filter }} />;
  }
  return <ActionButton action={REMEDIES[command](subject)} />;
}

const REMEDIES: Readonly<
  Record<Exclude<FindingAction['command'], 'task retry' | 'task ack'>, (subject: string) => Action>
> = {
  'circuit close': (name) => ({
    label: 'Close circuit',
    question: `Mark the provider of ${name} as recovered? The tasks that the circuit holds start at once.`,
    path: apiPath('circuits', name, 'close'),
  }),
  'node evict': (id) => ({
    label: 'Evict',
    danger: true,
    question: `Declare ${id} dead now? Its tasks start again on other nodes.`,
    path: apiPath('nodes', id, 'evict'),
  }),
  'node forget': (id) => ({
    label: 'Forget node',
    danger: true,
    question: `Forget ${id}? Do this if its Mac was retired; if it comes back, it is a new node.`,
    path: apiPath('nodes', id, 'forget'),
  }),
  'node resume': (id) => ({
    label: 'Resume node',
    question: `Let ${id} claim tasks again?`,
    path: apiPath('nodes', id, 'resume'),
  }),
  'pool resume': (pool) => ({
    label: 'Resume pool',
    question: `Let nodes claim tasks from pool ${pool} again?`,
    path: apiPath('pools', pool, 'resume'),
  }),
  'schedule remove': (name) => ({
    label: 'Remove schedule',
    danger: true,
    question: `Remove schedule ${name}, and its tasks that have not started?`,
    path: apiPath('schedules', name),
    method: 'DELETE',
  }),
};
