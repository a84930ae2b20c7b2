import type { Mesh } from '../../client/mesh.ts';
import type { Output } from '../output.ts';

/** Prints the log lines of the last failed attempt of a task, without those of its other attempts. */
export async function printFailedLog(mesh: Mesh, out: Output, id: string): Promise<void> {
  const { lines, attempt, node, reason } = await mesh.task.failedLog(id);
  if (out.json) return out.document<'task show --log-failed'>({ attempt, node, reason, lines });
  for (const line of lines) out.line(line);
  const where = node === null ? '' : ` on ${node}`;
  const what = attempt === null ? 'the task' : `attempt ${attempt}${where}`;
  out.note(`${what} failed${reason === null ? '' : `: ${reason}`}${lines.length === 0 ? '; it has no log lines' : ''}`);
}
