import { execa } from 'execa';
import { ClawmeshError } from '../../domain/errors.ts';
import type { ServiceManager } from './manager.ts';

/** Runs a command of the service manager to its end; does not throw if it fails. */
export async function ask(command: readonly string[], timeoutMs: number) {
  const [program = '', ...args] = command;
  return execa(program, args, { reject: false, timeout: timeoutMs, all: true });
}

/** The error to show if a command of the service manager failed. */
export function refusal(
  manager: ServiceManager,
  command: readonly string[],
  result: Awaited<ReturnType<typeof ask>>,
): ClawmeshError {
  const { problem, remedy } = manager.explain(command, result.exitCode, result.all || result.shortMessage || '');
  return new ClawmeshError('failed', problem, { remedy });
}
