import type { Mesh } from '../../client/mesh.ts';
import { Pager } from './pager.tsx';
import { useTaskLog } from './top-state.ts';

/** One task on the whole screen: its fields, history and log. */
export function LogScreen({ mesh, id, onClose }: { mesh: Mesh; id: string; onClose: () => void }) {
  const { task, log } = useTaskLog(mesh, id);
  const lines = task ? [...taskLines(task), 'log:', ...(log.length > 0 ? log : ['(no log lines)'])] : ['loading…'];
  return <Pager title={`task ${id}`} lines={lines} follows onClose={onClose} />;
}

function taskLines(task: NonNullable<ReturnType<typeof useTaskLog>['task']>): string[] {
  const { state, pool, node, attempts, handovers, message, error, result, history } = task;
  return [
    `${state} · pool ${pool} · node ${node ?? '-'} · attempt ${attempts.made}/${attempts.max} · handovers ${handovers}`,
    `message: ${message}`,
    ...(error ? [`error: ${error.kind}: ${error.message}`] : []),
    ...(result ? [`answer: ${result.text}`] : []),
    'history (UTC):',
    ...history.map((entry) => {
      const where = entry.node ? ` on ${entry.node}` : '';
      return `  ${entry.at.slice(11, 19)} ${entry.event}${where}${entry.reason ? `: ${entry.reason}` : ''}`;
    }),
  ];
}
