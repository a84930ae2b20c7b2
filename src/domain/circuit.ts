import type { ErrorKind } from './error-kind.ts';
import type { TaskSpec } from './task.ts';

/** The circuit of a provider. While it's open, the whole mesh holds the tasks of that provider. */
export interface Circuit {
  /** A model, `agent:<id>`, or `default`. */
  readonly name: string;
  /** Failures in a row. */
  readonly failures: number;
  /** Kind of the last error. */
  readonly kind: ErrorKind;
  /** Message of the last error. */
  readonly message: string;
  /** When it opened (ISO 8601); null while it's closed. */
  readonly openedAt: string | null;
  /** When the next probe may run (ISO 8601). */
  readonly nextProbeAt: string | null;
  /** The task that probes the provider now, as `<pool>:<id>`. */
  readonly probe: string | null;
  /** The last distinct tasks whose runs failed, as `<pool>:<id>`; at most 20. */
  readonly tasks: readonly string[];
}

/**
 * The circuit of a task's runs: its model, else its agent, else OpenClaw's defaults. OpenClaw decides which provider
 * serves a model.
 */
export function circuitOf(spec: TaskSpec): string {
  if (spec.model !== undefined) return spec.model;
  return spec.agent === undefined ? 'default' : `agent:${spec.agent}`;
}
