import { Box, useInput, useWindowSize } from 'ink';
import { useState } from 'react';
import type { Mesh } from '../../client/mesh.ts';
import { oneLine } from '../output.ts';
import { SafeText } from './safe-text.tsx';
import { useTaskLog } from './top-state.ts';

/** One task on the whole screen: its fields, history and log. */
export function LogScreen({ mesh, id, onClose }: { mesh: Mesh; id: string; onClose: () => void }) {
  const { columns, rows } = useWindowSize();
  const { task, log } = useTaskLog(mesh, id);
  // Lines scrolled back from the end; at 0 the screen follows the log.
  const [back, setBack] = useState(0);
  const lines = task ? [...taskLines(task), 'log:', ...(log.length > 0 ? log : ['(no log lines)'])] : ['…'];
  const height = Math.max(1, rows - 2);
  const end = Math.max(Math.min(height, lines.length), lines.length - back);
  useInput((input, key) => {
    if (key.escape || input === 'q' || key.return) onClose();
    else if (key.upArrow) setBack((now) => Math.min(now + 1, Math.max(0, lines.length - height)));
    else if (key.downArrow) setBack((now) => Math.max(0, now - 1));
    else if (key.pageUp) setBack((now) => Math.min(now + height, Math.max(0, lines.length - height)));
    else if (key.pageDown) setBack((now) => Math.max(0, now - height));
  });
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <SafeText bold>{`task ${id}`}</SafeText>
      <Box flexDirection="column" height={height}>
        {lines.slice(Math.max(0, end - height), end).map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
          <SafeText key={index}>{oneLine(line, columns) || ' '}</SafeText>
        ))}
      </Box>
      <SafeText dimColor>Esc back · ↑↓ scroll</SafeText>
    </Box>
  );
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
