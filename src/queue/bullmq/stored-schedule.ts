import * as z from 'zod';
import { storedSpec } from './task-fields.ts';

/** What is stored of a schedule; BullMQ's scheduler is made from it, and made again if it gets lost. */
export const storedSchedule = z.object({
  pool: z.string(),
  cron: z.string().optional(),
  timezone: z.string().nullable().optional(),
  everyMs: z.number().optional(),
  priority: z.number(),
  paused: z.boolean(),
  task: storedSpec,
});
export type StoredSchedule = z.infer<typeof storedSchedule>;

/** BullMQ's name for the task of a schedule that is due then. */
export function taskIdOf(name: string, due: number | string): string {
  return `repeat:${name}:${due}`;
}
