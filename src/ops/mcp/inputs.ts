import * as z from 'zod';
import { NODE_ID, NODE_ID_HINT, POOL_NAME, POOL_NAME_HINT } from '../../domain/names.ts';

// Arguments that several tools take.

/** Longer than any id of a task, also of a schedule. */
const MAX_ID_LENGTH = 100;

export const taskId = z
  .string()
  .min(1)
  .max(MAX_ID_LENGTH)
  .describe('Id of a task, as mesh_enqueue or mesh_list returned it.');

export const pool = z.string().regex(POOL_NAME, `expected ${POOL_NAME_HINT}`);
export const nodeId = z.string().regex(NODE_ID, `expected ${NODE_ID_HINT}`);

/** A wait, ms. */
export function waitMs(most: number): z.ZodInt {
  return z.int().min(0).max(most);
}
