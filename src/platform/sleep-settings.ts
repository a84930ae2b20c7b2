import { execa } from 'execa';

const PMSET_TIMEOUT_MS = 5_000;

/** Idle minutes after which this Mac falls asleep, 0 for never; undefined if unknown. */
export async function sleepsAfterMinutes(platform: NodeJS.Platform = process.platform): Promise<number | undefined> {
  if (platform !== 'darwin') return undefined;
  const { stdout } = await execa('pmset', ['-g'], { reject: false, timeout: PMSET_TIMEOUT_MS });
  return parseSleep(stdout ?? '');
}

/** Parses `pmset -g`: a line ` sleep  1 (sleep prevented by caffeinate)`. */
export function parseSleep(text: string): number | undefined {
  const minutes = /^[ \t]*sleep[ \t]+(\d+)\b/m.exec(text)?.[1];
  return minutes === undefined ? undefined : Number(minutes);
}
