import type { Redis } from 'ioredis';
import * as z from 'zod';
import { type Circuit, circuitOf } from '../../domain/circuit.ts';
import type { Claim } from '../../domain/claim.ts';
import { ERROR_KINDS, type Outcome } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';
import { readField } from './task-fields.ts';

export interface CircuitSettings {
  /** Failures in a row that open a circuit, if they are of at least two tasks. */
  readonly failures: number;
  /** Shortest and longest time between two probes, ms. */
  readonly minProbeInterval: number;
  readonly maxProbeInterval: number;
}

/** Failures further apart than this are not in a row, ms. */
const FORGET_MS = 5 * 60_000;

const storedCircuit = z.object({
  failures: z.number(),
  kind: z.enum(ERROR_KINDS),
  message: z.string(),
  openedAt: z.number().optional(),
  dueAt: z.number().optional(),
  probe: z.string().optional(),
  tasks: z.array(z.string()).default([]),
});

/**
 * What a node knows of the mesh's circuits. It is true at the moment of each claim: a claim with an old version is
 * refused
 * and comes again after {@link refresh}.
 */
export class Circuits {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #settings: CircuitSettings | undefined;
  /** Undefined before the first look. */
  #version: string | undefined;
  #known: ReadonlyMap<string, { open: boolean }> = new Map();
  /** What was answered for an outcome. */
  readonly #observed = new WeakMap<Outcome, boolean>();

  /** Without settings nothing that runs do opens or closes a circuit. */
  constructor(redis: Redis, keys: MeshKeys, settings: CircuitSettings | undefined) {
    this.#redis = redis;
    this.#keys = keys;
    this.#settings = settings;
  }

  get version(): string {
    return this.#version ?? '0';
  }

  isOpen(circuit: string): boolean {
    return this.#known.get(circuit)?.open === true;
  }

  async refresh(): Promise<void> {
    // The version is read first: what is read after it is at least as new.
    const version = (await this.#redis.get(this.#keys.circuitsVersion)) ?? '0';
    const circuits = await listCircuits(this.#redis, this.#keys);
    this.#known = new Map(circuits.map(({ name, openedAt }) => [name, { open: openedAt !== null }]));
    this.#version = version;
  }

  /**
   * Tells what a run says about its provider; an outcome whose report is sent again is told once.
   *
   * @returns whether its tasks are to be held back.
   */
  async observe(claim: Claim, outcome: Outcome): Promise<boolean> {
    const holds = this.#observed.get(outcome) ?? (await this.#observe(claim, outcome));
    this.#observed.set(outcome, holds);
    return holds;
  }

  async #observe(claim: Claim, outcome: Outcome): Promise<boolean> {
    if (!this.#settings || claim.spec.probe) return false;
    const circuit = circuitOf(claim.spec);
    const seen = whatIsSeen(outcome);
    // A run that an earlier incarnation of the node began may be the probe: its end tells something before anything was
    // claimed.
    if (this.#version === undefined) await this.refresh();
    const known = this.#known.get(circuit);
    if (seen === 'ok' ? !known : seen === 'unsure' && !known?.open) return false;
    const { failures, minProbeInterval, maxProbeInterval } = this.#settings;
    const reply = await scripts.circuitReport.run(this.#redis, this.#keys, [
      circuit,
      seen,
      outcome.ok ? '' : outcome.error.message,
      `${claim.pool}:${claim.taskId}`,
      claim.claimedAt,
      failures,
      minProbeInterval,
      maxProbeInterval,
      outcome.ok ? 0 : (outcome.error.retryAfterMs ?? 0),
      FORGET_MS,
      claim.token,
    ]);
    return reply === 1 && seen !== 'ok' && seen !== 'unsure';
  }
}

/**
 * Closes a circuit, open or not, and forgets its failures; what it held back is to be released by the caller.
 *
 * @returns `absent` where there is none.
 */
export async function closeCircuit(
  redis: Redis,
  keys: MeshKeys,
  circuit: string,
  why: string,
): Promise<'closed' | 'forgotten' | 'absent'> {
  const reply = await scripts.closeCircuit.run(redis, keys, [circuit, why]);
  return z.enum(['closed', 'forgotten', 'absent']).parse(reply);
}

/** The circuits that are open, or about to. */
export async function listCircuits(redis: Redis, keys: MeshKeys): Promise<Circuit[]> {
  const stored = await redis.hgetall(keys.circuits);
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return Object.entries(stored).flatMap(([name, text]) => {
    const circuit = readField(storedCircuit, text);
    if (!circuit) return [];
    const { failures, kind, message, openedAt, dueAt, probe, tasks } = circuit;
    const times = { openedAt: iso(openedAt), nextProbeAt: iso(dueAt) };
    return [{ name, failures, kind, message, ...times, probe: probe ?? null, tasks }];
  });
}

/** A refused request shows that the provider answers; the other failures say nothing about it. */
function whatIsSeen(outcome: Outcome): 'ok' | 'provider' | 'outage' | 'rate_limit' | 'unsure' {
  if (outcome.ok || outcome.error.kind === 'invalid') return 'ok';
  const { kind, outage } = outcome.error;
  if (kind === 'rate_limit') return kind;
  if (kind === 'provider') return outage === true ? 'outage' : kind;
  return 'unsure';
}
