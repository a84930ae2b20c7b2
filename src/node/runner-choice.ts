import type { Config } from '../config/schema.ts';
import type { OpenClawMode } from '../domain/node.ts';
import { findProgram } from '../platform/find-program.ts';
import { ExecRunner } from '../runners/exec.ts';
import { GatewayRunner } from '../runners/gateway.ts';
import type { Runner } from '../runners/runner.ts';
import { SimulateRunner } from '../runners/simulate.ts';
import { hasSubmissions, Submissions } from '../runners/submissions.ts';

/** A local gateway that is up answers within milliseconds, ms. */
const READY_TIMEOUT_MS = 1_500;

/** The configured mode; for `auto` what this machine has: a ready gateway, else `openclaw` on PATH, else nothing real. */
export async function chooseMode(config: Config, env: NodeJS.ProcessEnv): Promise<OpenClawMode> {
  const { mode, gateway, exec } = config.openclaw;
  if (mode !== 'auto') return mode;
  if (await isGatewayReady(gateway.url)) return 'gateway';
  return findProgram([exec.bin], env) ? 'exec' : 'simulate';
}

export interface RunnerOptions {
  readonly config: Config;
  readonly nodeId: string;
  /** What exec runs inherit. */
  readonly env: NodeJS.ProcessEnv;
  /** Where runs in the gateway are noted; undefined for a runner that runs nothing. */
  readonly submissions: string | undefined;
}

export function createRunner(mode: OpenClawMode, options: RunnerOptions): Runner {
  if (mode === 'gateway') return gatewayRunner(options);
  if (mode === 'exec') return new ExecRunner({ bin: options.config.openclaw.exec.bin, env: options.env });
  return new SimulateRunner();
}

/**
 * Stops what this node has left in its gateway, now or once that comes back, though its tasks are run in another mode by
 * now; undefined where nothing was left.
 */
export function stopLeftInGateway(mode: OpenClawMode, options: RunnerOptions): Runner | undefined {
  if (mode === 'gateway' || options.submissions === undefined || !hasSubmissions(options.submissions)) return undefined;
  const runner = gatewayRunner(options);
  void runner.settle([]);
  return runner;
}

function gatewayRunner({ config, nodeId, submissions }: RunnerOptions): GatewayRunner {
  const { url, token } = config.openclaw.gateway;
  return new GatewayRunner({ url, token, nodeId, submissions: new Submissions(submissions) });
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
