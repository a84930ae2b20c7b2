import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** What is looked at now and then during a long run, and must not grow. */
export interface Sample {
  /** Since the beginning, s. */
  readonly at: number;
  /** By series; a series that starts over (a killed process) keeps its name. */
  readonly values: Readonly<Record<string, number>>;
}

export interface Trend {
  readonly series: string;
  readonly first: number;
  readonly last: number;
  /** Per hour, from Theil and Sen's estimator: the median slope of all pairs, which outliers do not move. */
  readonly perHour: number;
  readonly grows: boolean;
}

/** Of a run, this share at its beginning is warm-up: pools fill, code is compiled. */
const WARM_UP = 0.25;
/** More than this share per hour, and more than the noise, is growth. */
const TOLERATED_PER_HOUR = 0.2;

/** The trend of each series after the warm-up. It grows if even the lower end of the slopes' middle half is above what is tolerated. */
export function trends(samples: readonly Sample[]): Trend[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const names = [...new Set(warm.flatMap(({ values }) => Object.keys(values)))];
  return names.map((series) => {
    const points = warm.flatMap(({ at, values }) => {
      const value = values[series];
      return value === undefined ? [] : [{ at, value }];
    });
    const slopes = points
      .flatMap((from, i) => points.slice(i + 1).map((to) => (to.value - from.value) / (to.at - from.at)))
      .sort((a, b) => a - b);
    const quantile = (q: number) => (slopes[Math.floor(q * (slopes.length - 1))] ?? 0) * 3_600;
    const middle = points.map(({ value }) => value).sort((a, b) => a - b)[points.length >> 1] ?? 0;
    return {
      series,
      first: points[0]?.value ?? 0,
      last: points.at(-1)?.value ?? 0,
      perHour: quantile(0.5),
      grows: points.length >= 8 && quantile(0.25) > middle * TOLERATED_PER_HOUR,
    };
  });
}

/** Resident memory (MiB) and open files of a process; undefined if it is gone. Linux only. */
export function processFigures(pid: number): { rss: number; files: number } | undefined {
  try {
    const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return { rss: (Number(pages) * 4_096) / 2 ** 20, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** What happened when, for the picture. */
export interface Mark {
  readonly at: number;
  readonly what: 'fault' | 'takeover';
  /** How long a takeover took, ms. */
  readonly ms?: number;
}

/** A picture of the run: series over time, each on its own scale, faults as ticks, takeovers as dots. */
export function drawRun(file: string, title: string, samples: readonly Sample[], marks: readonly Mark[]): void {
  const [width, lane, left] = [980, 90, 250];
  const end = Math.max(1, samples.at(-1)?.at ?? 1);
  const x = (at: number) => left + (at / end) * (width - left - 20);
  const names = [...new Set(samples.flatMap(({ values }) => Object.keys(values)))];
  const lanes = names.map((name, i) => {
    const points = samples.flatMap(({ at, values }) =>
      values[name] === undefined ? [] : [{ at, value: values[name] }],
    );
    const top = Math.max(...points.map(({ value }) => value)) * 1.1 || 1;
    const y = (value: number) => 40 + (i + 1) * lane - 15 - (value / top) * (lane - 30);
    const path = points
      .map(({ at, value }, n) => `${n === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
      .join('');
    const last = points.at(-1)?.value ?? 0;
    return (
      `<text x="10" y="${40 + i * lane + 45}">${name}</text><text x="10" y="${40 + i * lane + 62}" class="dim">` +
      `0 to ${top.toPrecision(3)}, last ${last.toPrecision(3)}</text><path d="${path}"/>`
    );
  });
  const base = 40 + names.length * lane;
  const takeovers = marks.filter(({ what }) => what === 'takeover');
  const slowest = Math.max(1, ...takeovers.map(({ ms = 0 }) => ms));
  const dots = takeovers.map(
    ({ at, ms = 0 }) =>
      `<circle cx="${x(at).toFixed(1)}" cy="${(base + lane - 15 - (ms / slowest) * (lane - 30)).toFixed(1)}" r="2"/>`,
  );
  const ticks = marks
    .filter(({ what }) => what === 'fault')
    .map(({ at }) => `<path class="fault" d="M${x(at).toFixed(1)} ${base + lane}v12"/>`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${base + lane + 30}" font-family="sans-serif" font-size="12">
<style>path{fill:none;stroke:#2563eb}.fault{stroke:#dc2626}circle{fill:#d97706}text{fill:#334155}.dim{fill:#94a3b8}</style>
<rect width="100%" height="100%" fill="#fff"/><text x="10" y="22" font-size="14">${title}</text>
${lanes.join('\n')}
<text x="10" y="${base + 45}">takeover, ms</text><text x="10" y="${base + 62}" class="dim">0 to ${Math.round(slowest)}</text>${dots.join('')}
<text x="10" y="${base + lane + 10}">faults</text>${ticks.join('')}
</svg>
`;
  writeFileSync(file, svg);
}
