import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

const PMSET_TIMEOUT_MS = 5_000;

/** Charge of the battery that this machine runs on, 0 to 1; null if it has another supply, or no readable one. */
export async function batteryInUse(platform: NodeJS.Platform = process.platform): Promise<number | null> {
  if (platform === 'darwin') {
    const { stdout } = await execa('pmset', ['-g', 'batt'], { reject: false, timeout: PMSET_TIMEOUT_MS });
    return parsePmset(stdout ?? '');
  }
  return platform === 'linux' ? readPowerSupplies('/sys/class/power_supply') : null;
}

/** Parses `pmset -g batt`: `Now drawing from 'Battery Power'` and a line with `87%; discharging`. */
export function parsePmset(text: string): number | null {
  if (!/drawing from 'Battery Power'/.test(text)) return null;
  const percent = /\b(\d{1,3})%/.exec(text)?.[1];
  return percent === undefined ? null : Number(percent) / 100;
}

/** The charge of the first discharging battery, from Linux' sysfs files; 0 to 1, or null. */
export function readPowerSupplies(folder: string): number | null {
  try {
    for (const name of readdirSync(folder)) {
      const read = (what: string) => readFileSync(join(folder, name, what), 'utf8').trim();
      if (read('type') === 'Battery' && read('status') === 'Discharging') return Number(read('capacity')) / 100;
    }
  } catch {
    // A machine without such files has no battery, or none that reports its state.
  }
  return null;
}
