import type { Config } from '../config/schema.ts';
import type { OpenClawMode } from '../domain/node.ts';
import { findProgram } from '../platform/find-program.ts';
import { ExecRunner } from '../runners/exec.ts';
import { GatewayRunner } from '../runners/gateway.ts';
import type { Runner } from '../runners/runner.ts';
import { SimulateRunner } from '../runners/simulate.ts';

/** A local gateway that is up answers within milliseconds, ms. */
const READY_TIMEOUT_MS = 1_500;

/** The configured mode; for `auto` what this machine has: a ready gateway, else `openclaw` on PATH, else nothing real. */
export async function chooseMode(config: Config, env: NodeJS.ProcessEnv): Promise<OpenClawMode> {
  const { mode, gateway, exec } = config.openclaw;
  if (mode !== 'auto') return mode;
  if (await isGatewayReady(gateway.url)) return 'gateway';
  return findProgram([exec.bin], env) ? 'exec' : 'simulate';
}

/** `env` is what exec runs inherit. */
export function createRunner(mode: OpenClawMode, config: Config, nodeId: string, env: NodeJS.ProcessEnv): Runner {
  const { gateway, exec } = config.openclaw;
  if (mode === 'gateway') return new GatewayRunner({ url: gateway.url, token: gateway.token, nodeId });
  if (mode === 'exec') return new ExecRunner({ bin: exec.bin, env });
  return new SimulateRunner();
}

async function isGatewayReady(url: string): Promise<boolean> {
  const probe = new URL('/readyz', url.replace(/^ws/, 'http'));
  try {
    const response = await fetch(probe, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    return response.ok;
  } catch {
    return false;
  }
}
