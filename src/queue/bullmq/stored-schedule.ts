import * as z from 'zod';
import { storedSpec } from './task-fields.ts';

/** A stored schedule. BullMQ's job scheduler is created from it, and created again if it is lost. */
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

/** BullMQ's id for the task of a schedule that is due at this time. */
export function taskIdOf(name: string, due: number | string): string {
  return `repeat:${name}:${due}`;
}
