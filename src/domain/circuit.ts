import type { ErrorKind, TaskSpec } from './task.ts';

/** The circuit of a provider: open while its tasks are held back in the whole mesh. */
export interface Circuit {
  readonly name: string;
  /** Failures in a row. */
  readonly failures: number;
  readonly kind: ErrorKind;
  readonly message: string;
  /** Since when it's open (ISO 8601); null while it's closed. */
  readonly openedAt: string | null;
  /** When the next task may try (ISO 8601). */
  readonly nextProbeAt: string | null;
  /** The task that is trying now, as `<pool>:<id>`. */
  readonly probe: string | null;
  /** The last different tasks whose runs have failed, as `<pool>:<id>`; 20 at most. */
  readonly tasks: readonly string[];
}

/**
 * The circuit that a task's runs belong to: its model, else its agent's, else that of OpenClaw's defaults. Which provider
 * serves a model is OpenClaw's affair.
 */
export function circuitOf(spec: TaskSpec): string {
  if (spec.model !== undefined) return spec.model;
  return spec.agent === undefined ? 'default' : `agent:${spec.agent}`;
}
