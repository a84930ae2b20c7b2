import { execa } from 'execa';

const PMSET_TIMEOUT_MS = 5_000;

/** Share of full speed that heat leaves this Mac, 0 to 1; undefined if unknown. */
export async function speedLimit(platform: NodeJS.Platform = process.platform): Promise<number | undefined> {
  if (platform !== 'darwin') return undefined;
  const { stdout } = await execa('pmset', ['-g', 'therm'], { reject: false, timeout: PMSET_TIMEOUT_MS });
  return parseTherm(stdout ?? '');
}

/** Parses `pmset -g therm`: `CPU_Speed_Limit = 70` once heat has slowed the machine. */
export function parseTherm(text: string): number | undefined {
  const percent = /\bCPU_Speed_Limit\s*=\s*(\d{1,3})\b/.exec(text)?.[1];
  return percent === undefined ? undefined : Number(percent) / 100;
}
