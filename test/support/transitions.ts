import { describe, expect, it } from 'vitest';
import { ClawmeshError } from '../../src/domain/errors.ts';

interface Row {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly event: string;
  readonly by: string;
}

type Happening<R extends Row> = R extends Row ? `${R['event']} by ${R['by']}` : never;

/** A call of a port, and the only events of the table that it may cause. */
export interface TableCall<State extends string, R extends Row> {
  readonly may: readonly Happening<R>[];
  readonly act: (state: State) => Promise<unknown>;
}

/** Something with states: how it gets into each of them, and every call that may change its state. */
interface Subject<State extends string, R extends Row> {
  /** With its article: "a circuit". */
  readonly name: string;
  readonly table: readonly R[];
  readonly situations: Readonly<Record<State, Readonly<Record<string, () => Promise<unknown>>>>>;
  readonly calls: Readonly<Record<string, TableCall<State, R>>>;
  /** Before each call: nothing is there. */
  readonly reset: () => Promise<unknown>;
  readonly stateOf: () => Promise<State>;
}

const REFUSED = new Set(['fenced', 'claim-lost', 'not-found']);

/** Whether a port has refused a call because the claim, the incarnation or the schedule is gone. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ClawmeshError && REFUSED.has(error.code);
}

/**
 * Declares the tests that hold an implementation to its transition table: each call in each situation changes the state
 * as a row says, or not at all, and each row happens.
 */
export function holdToTable<State extends string, R extends Row>(subject: Subject<State, R>): void {
  const { name, table, situations, calls, reset, stateOf } = subject;
  const has = (list: readonly string[], state: string) => list.includes(state);
  const named = (from: string, to: string, { event, by }: Row) => `${from} to ${to}: ${event} by ${by}`;
  const met = new Set<string>();

  const wrongWith = async (state: State, situation: () => Promise<unknown>, call: TableCall<State, R>) => {
    await reset();
    await situation();
    expect(await stateOf()).toBe(state);
    try {
      await call.act(state);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    const to = await stateOf();
    if (to === state) return undefined;
    const allowed = (row: Row) => has(call.may, `${row.event} by ${row.by}`);
    const row = table.find((one) => has(one.from, state) && has(one.to, to) && allowed(one));
    if (!row) return `leads to ${to}, which is no row of the table`;
    met.add(named(state, to, row));
    return undefined;
  };

  const cases = Object.entries<Readonly<Record<string, () => Promise<unknown>>>>(situations).flatMap(([state, all]) =>
    Object.entries(all).map(([situation, enter]) => ({ state: state as State, situation, enter })),
  );
  describe(`The state of ${name}`, () => {
    it.each(cases)(`follows the transition table from $state ($situation) at every call`, async ({ state, enter }) => {
      const wrong: string[] = [];
      for (const [what, call] of Object.entries(calls)) {
        const found = await wrongWith(state, enter, call);
        if (found !== undefined) wrong.push(`${what}: ${found}`);
      }
      expect(wrong).toEqual([]);
    });

    it('follows a transition table in which every row happens', () => {
      const all = table.flatMap((row) =>
        row.from.flatMap((from) => row.to.filter((to) => to !== from).map((to) => named(from, to, row))),
      );
      expect(all.filter((one) => !met.has(one))).toEqual([]);
    });
  });
}
