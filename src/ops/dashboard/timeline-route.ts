import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import type { Mesh } from '../../client/mesh.ts';
import { keyOf, runsOf, type TaskRuns } from './timeline.ts';

/** Number of characters of a task's message that the timeline shows. */
const TITLE_LENGTH = 80;
/** Number of ended tasks in a page of the history: some ms of Redis time, and about 300 KB. */
const PAGE = 2_000;

const historyQuery = z.object({ before: z.coerce.number().int().min(0).optional() });
const taskRef = z.object({ pool: z.string().max(64), id: z.string().max(1_000) });

/** A part of the history, the latest end first. */
export interface TimelinePage {
  readonly tasks: readonly TaskRuns[];
  /** Everything that ended since then is included (Redis time, ms); null if no earlier task is kept. */
  readonly reach: number | null;
}

/** The runs of ended tasks, and the titles of single tasks. */
export function addTimelineRoutes(app: FastifyInstance, mesh: Pick<Mesh, 'runs'>): void {
  app.get('/api/v1/timeline', async (request): Promise<TimelinePage> => {
    const { before } = historyQuery.parse(request.query);
    const { tasks, reach } = await mesh.runs.ended({ until: before, limit: PAGE });
    return { tasks: tasks.map(runsOf).filter(({ bars }) => bars.length > 0), reach };
  });
  app.get('/api/v1/timeline/:pool/:id', async (request) => {
    const task = taskRef.parse(request.params);
    return { key: keyOf(task), title: await mesh.runs.title(task, TITLE_LENGTH) };
  });
}
