import type { Redis } from 'ioredis';
import * as z from 'zod';
import { type Circuit, circuitOf } from '../../domain/circuit.ts';
import type { Claim } from '../../domain/claim.ts';
import { ERROR_KINDS, ERROR_RULES } from '../../domain/error-kind.ts';
import type { Outcome } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';
import { readField } from './task-fields.ts';

export interface CircuitSettings {
  /** Failures in a row that open a circuit, if they come from at least two tasks. */
  readonly failures: number;
  /** Minimum and maximum time between two probes, ms. */
  readonly minProbeInterval: number;
  readonly maxProbeInterval: number;
}

/** Failures further apart than this do not count as failures in a row, ms. */
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
 * A node's view of the mesh's circuits. It is current at each claim: Redis refuses a claim with an old version, and the
 * claim is repeated after {@link refresh}.
 */
export class Circuits {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #settings: CircuitSettings | undefined;
  /** Undefined before the first refresh. */
  #version: string | undefined;
  #known: ReadonlyMap<string, { open: boolean }> = new Map();
  /** The reply for each reported outcome. */
  readonly #observed = new WeakMap<Outcome, boolean>();

  /** Without settings, runs neither open nor close circuits. */
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
    // Read the version first: everything read later is at least as new.
    const version = (await this.#redis.get(this.#keys.circuitsVersion)) ?? '0';
    const circuits = await listCircuits(this.#redis, this.#keys);
    this.#known = new Map(circuits.map(({ name, openedAt }) => [name, { open: openedAt !== null }]));
    this.#version = version;
  }

  /**
   * Reports what a run reveals about its provider. If the report of an outcome is sent again, it counts once.
   *
   * @returns whether the mesh holds the tasks of the provider.
   */
  async observe(claim: Claim, outcome: Outcome): Promise<boolean> {
    const mustHold = this.#observed.get(outcome) ?? (await this.#observe(claim, outcome));
    this.#observed.set(outcome, mustHold);
    return mustHold;
  }

  /**
   * Reports a success again, with a new view of the circuits. Another node may have opened the circuit of the provider,
   * or counted a failure in it, since this node read them; then {@link observe} did not know that the success matters.
   */
  async observeAgain(claim: Claim, outcome: Outcome): Promise<void> {
    if (whatIsSeen(outcome) !== 'ok') return;
    await this.refresh();
    await this.#observe(claim, outcome);
  }

  async #observe(claim: Claim, outcome: Outcome): Promise<boolean> {
    if (!this.#settings || claim.spec.probe) return false;
    const circuit = circuitOf(claim.spec);
    const seen = whatIsSeen(outcome);
    // The run of an earlier incarnation may be the probe, so its end matters before this incarnation has claimed
    // anything.
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
 * Closes a circuit, open or not, and forgets its failures. The caller releases the tasks that it held.
 *
 * @returns `absent` if there is no such circuit.
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

/** Circuits that are open, or have failures that may open them. */
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

function whatIsSeen(outcome: Outcome): 'ok' | 'provider' | 'outage' | 'rate_limit' | 'unsure' {
  if (outcome.ok) return 'ok';
  const { kind, outage } = outcome.error;
  const { seen } = ERROR_RULES[kind];
  return seen === 'provider' && outage === true ? 'outage' : seen;
}
