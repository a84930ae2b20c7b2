import { cpus, totalmem } from 'node:os';

/** One line of the table: the same thing done by us and by what people would use instead, in the same run. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly digits?: number;
  /** Whether a larger figure is the better one. */
  readonly moreIsBetter: boolean;
  /** What was set as the goal for the ratio to the first peer. */
  readonly goal?: number;
  /** Fewer than asked for, if one takes minutes. */
  readonly rounds?: number;
  /** The first is clawmesh; each is measured once per round. undefined: it did not come to an end within the cap. */
  readonly contestants: Readonly<Record<string, () => Promise<number | undefined>>>;
  readonly cap?: string;
}

export interface Figures {
  readonly name: string;
  readonly unit: string;
  readonly goal: number | undefined;
  /** Median, lowest and highest per contestant; null if it has no result. */
  readonly figures: Readonly<Record<string, { median: number | null; low: number | null; high: number | null }>>;
  /** clawmesh to each peer: the median of the rounds' ratios, lowest, highest. */
  readonly ratios: Readonly<Record<string, { median: number; low: number; high: number }>>;
  readonly rounds: number;
}

/** Measures a row: contestants take turns, and change their order each round, so that a slow minute hits all of them. */
export async function measure(row: Row, rounds: number): Promise<Figures> {
  const names = Object.keys(row.contestants);
  const count = Math.min(row.rounds ?? rounds, rounds);
  const values: Record<string, (number | undefined)[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < count; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round) % names.length] as string;
      values[name]?.push(await row.contestants[name]?.());
    }
  }
  const [own = '', ...peers] = names;
  const figures = Object.fromEntries(names.map((name) => [name, spread(present(values[name]))]));
  const ratios = Object.fromEntries(
    peers.flatMap((peer) => {
      const each = (values[own] ?? []).flatMap((value, i) => {
        const other = values[peer]?.[i];
        return value === undefined || other === undefined || other === 0 ? [] : [value / other];
      });
      const { median, low, high } = spread(each);
      return median === null || low === null || high === null ? [] : [[peer, { median, low, high }]];
    }),
  );
  return { name: row.name, unit: row.unit, goal: row.goal, figures, ratios, rounds: count };
}

/** The line of the table. */
export function line(row: Row, { figures, ratios, rounds }: Figures): string {
  const [own = '', ...peers] = Object.keys(figures);
  const number = (name: string) => {
    const median = figures[name]?.median;
    return median === null || median === undefined ? (row.cap ?? '-') : median.toFixed(row.digits ?? 0);
  };
  const others = peers.map((peer) => {
    const ratio = ratios[peer];
    const factor = ratio && `× ${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
    return `${peer} ${number(peer)}${factor ? `  ${factor}` : ''}`;
  });
  const goal =
    row.goal === undefined ? '' : `   goal ${row.moreIsBetter ? '≥' : '≤'} ${Number(row.goal.toPrecision(2))}`;
  return `${`${row.name}, ${row.unit}`.padEnd(52)} ${number(own).padStart(9)}   ${others.join('   ')}   [${rounds}]${goal}`;
}

/** What a figure depends on, for the file. */
export function machine(): Record<string, string | number> {
  const [first] = cpus();
  return {
    cpu: first?.model ?? '',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
}

function present(values: readonly (number | undefined)[] = []): number[] {
  return values.filter((value) => value !== undefined);
}

function spread(values: readonly number[]): { median: number | null; low: number | null; high: number | null } {
  if (values.length === 0) return { median: null, low: null, high: null };
  return { median: quantile(values, 0.5), low: Math.min(...values), high: Math.max(...values) };
}
