import * as z from 'zod';
import { cutText } from '../../domain/cut-text.ts';
import { taskId } from './inputs.ts';
import { defineTool } from './tool.ts';

const MAX_LINES = 500;
const MAX_LINE = 1_000;
/** Maximum length of all lines that one call returns. */
const MAX_CHARACTERS = 8_000;

export const logsTool = defineTool({
  name: 'mesh_logs',
  title: 'Read the log of a task',
  description:
    'Returns log and progress lines of a task, by default the last 100. Use it to see what a running task does, or why ' +
    'a task failed. The mesh keeps the last 1000 lines of a task.',
  effect: 'reads',
  input: z.strictObject({
    id: taskId,
    from: z
      .int()
      .min(0)
      .max(1_000_000)
      .optional()
      .describe('Number of the first line to return, from 0. Without it, the last lines are returned.'),
    limit: z.int().min(1).max(MAX_LINES).default(100).describe('Maximum number of lines.'),
  }),
  run: async ({ id, from, limit }, { connection }) => {
    const [task, all] = await connection.runIdempotent(async (mesh) => {
      const found = await mesh.task.existing(id);
      return [found, await mesh.task.logs(found)] as const;
    });
    const shown = linesOf(all, { from, limit });
    const document = { ...shown, total: all.length };
    if (all.length === 0) return { text: `task ${id} is ${task.state} and has no log lines`, document };
    const end = shown.from + shown.lines.length;
    const header = `lines ${shown.from} to ${end - 1} of ${all.length}; the task is ${task.state}`;
    return { text: [header, ...shown.lines, ...shown.cut].join('\n'), document };
  },
});

/** The lines to return: as many as fit, from `from` on, or else the last ones. */
function linesOf(all: readonly string[], { from, limit }: { from: number | undefined; limit: number }) {
  const start = Math.min(from ?? Math.max(0, all.length - limit), all.length);
  const wanted = all.slice(start, start + limit).map((line) => cutText(line, MAX_LINE));
  const isTail = from === undefined;
  const kept = fitting(isTail ? wanted.toReversed() : wanted);
  const lines = isTail ? kept.toReversed() : kept;
  const first = isTail ? start + wanted.length - lines.length : start;
  const next = first + lines.length;
  const cut: string[] = [];
  if (all.slice(first, next).some((line) => line.length > MAX_LINE))
    cut.push(`lines: at most ${MAX_LINE} characters each`);
  if (isTail && first > 0) cut.push(`for earlier lines, call mesh_logs with from: ${Math.max(0, first - limit)}`);
  if (next < all.length) cut.push(`for later lines, call mesh_logs with from: ${next}`);
  return { lines, from: first, cut };
}

/** The first lines whose sum of lengths is within the limit. */
function fitting(lines: readonly string[]): string[] {
  let characters = 0;
  const end = lines.findIndex((line) => {
    characters += line.length + 1;
    return characters > MAX_CHARACTERS;
  });
  return end < 0 ? [...lines] : lines.slice(0, end);
}
