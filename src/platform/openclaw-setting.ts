import { execa } from 'execa';

/** OpenClaw takes some seconds to start, ms. */
const TIMEOUT_MS = 20_000;

/** How many agents the OpenClaw of this user runs at once (`agents.defaults.maxConcurrent`); undefined if it does not say. */
export async function openclawConcurrency(bin: string): Promise<number | undefined> {
  const args = ['config', 'get', 'agents.defaults.maxConcurrent', '--json'];
  const { stdout, failed } = await execa(bin, args, { reject: false, timeout: TIMEOUT_MS, stdin: 'ignore' });
  const value = Number(stdout?.trim() || Number.NaN);
  return failed || !Number.isInteger(value) ? undefined : value;
}
