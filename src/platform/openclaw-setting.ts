import { askProgram } from './ask-program.ts';

/** OpenClaw takes some seconds to start, ms. */
const TIMEOUT_MS = 20_000;

/**
 * Maximum number of agents that this user's OpenClaw runs at once (`agents.defaults.maxConcurrent`); undefined if
 * unknown.
 */
export async function openclawConcurrency(bin: string): Promise<number | undefined> {
  const args = ['config', 'get', 'agents.defaults.maxConcurrent', '--json'];
  const answer = await askProgram(bin, args, { timeoutMs: TIMEOUT_MS, env: process.env });
  const value = Number(answer.trim() || Number.NaN);
  return Number.isInteger(value) ? value : undefined;
}
