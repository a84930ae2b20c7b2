import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { keyOf, runsOf, type TaskRuns } from '../timeline.ts';
import type { ZodServer } from './zod-routes.ts';

/** Number of characters of a task's message that the timeline shows. */
const TITLE_LENGTH = 80;
/** Number of ended tasks in a page of the history: some ms of Redis time, and about 300 KB. */
const PAGE = 2_000;

const error = 'expected a time in ms since 1970';
const historyQuery = z.strictObject({ before: z.coerce.number({ error }).int({ error }).min(0, { error }).optional() });
const taskRef = z.object({ pool: z.string().max(64), id: z.string().max(1_000) });

const RUNS = 'Which nodes ran tasks that have ended, and when; the latest end first';
const TITLE = "The beginning of the task's message";

/** A part of the history, the latest end first. */
export interface TimelinePage {
  readonly tasks: readonly TaskRuns[];
  /** Everything that ended since then is included (Redis time, ms); null if no earlier task is kept. */
  readonly reach: number | null;
}

/** The runs of ended tasks, and the titles of single tasks. */
export function addTimelineRoutes(app: ZodServer, mesh: Pick<Mesh, 'runs'>): void {
  app.get(
    '/timeline',
    { schema: { querystring: historyQuery }, config: { summary: RUNS } },
    async ({ query }): Promise<TimelinePage> => {
      const { tasks, reach } = await mesh.runs.ended({ until: query.before, limit: PAGE });
      return { tasks: tasks.map(runsOf).filter(({ bars }) => bars.length > 0), reach };
    },
  );
  app.get('/timeline/:pool/:id', { schema: { params: taskRef }, config: { summary: TITLE } }, async ({ params }) => ({
    key: keyOf(params),
    title: await mesh.runs.title(params, TITLE_LENGTH),
  }));
}
