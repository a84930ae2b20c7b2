import type { Clock } from '../domain/clock.ts';
import type { OpenClawMode } from '../domain/node.ts';
import { execKind } from './exec.ts';
import { gatewayKind } from './gateway.ts';
import type { OpenClawConfig, Runner, RunnerKind, RunnerOptions } from './runner.ts';
import { simulateKind } from './simulate.ts';

/**
 * All kinds of runners, one for each mode, in the order of preference in auto mode. The last one is always available.
 */
export const RUNNERS: readonly RunnerKind[] = [gatewayKind, execKind, simulateKind];

/** The configured mode; for `auto`, the mode of the first kind that this machine can use. */
export async function chooseMode(config: OpenClawConfig, env: NodeJS.ProcessEnv, clock: Clock): Promise<OpenClawMode> {
  if (config.openclaw.mode !== 'auto') return config.openclaw.mode;
  for (const kind of RUNNERS) if (await kind.detect({ config, env, clock })) return kind.mode;
  throw new Error('the last kind of runner must always be available');
}

/** The kind of runner for this mode. */
export function kindOf(mode: OpenClawMode): RunnerKind {
  const kind = RUNNERS.find((one) => one.mode === mode);
  if (!kind) throw new Error(`no runner for mode ${mode}`);
  return kind;
}

export function createRunner(mode: OpenClawMode, options: RunnerOptions): Runner {
  return kindOf(mode).create(options);
}

/**
 * Stops runs that this node left in its gateway although it now runs tasks in another mode; waits for the gateway if it
 * is away. Returns undefined if the node left none, else the runner that stops them: the caller closes it.
 */
export function stopLeftInGateway(mode: OpenClawMode, options: RunnerOptions): Runner | undefined {
  const runner = RUNNERS.find((kind) => kind.mode !== mode && kind.hasLeftRuns?.(options))?.create(options);
  void runner?.stopLeftovers([]);
  return runner;
}
