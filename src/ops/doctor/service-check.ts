import { existsSync } from 'node:fs';
import type { Config } from '../../config/schema.ts';
import { messageOf } from '../../domain/errors.ts';
import { findProgram } from '../../platform/find-program.ts';
import type { ServiceManager } from '../service/manager.ts';
import { serviceManager } from '../service/service.ts';
import { type CheckResult, failed, ok, warning } from './check-result.ts';
import type { OpenClawHealth } from './machine-checks.ts';

/** Whether the installed service can keep this machine's node running; empty if none is installed. */
export async function checkService(config: Config, { capabilities }: OpenClawHealth): Promise<readonly CheckResult[]> {
  const manager = installedManager();
  const installed = manager?.installed();
  if (!manager || !installed) return [];
  const { service, file } = manager;
  const again = 'run clawmesh node install again';
  const [program, entry] = installed.command;
  const missing = [program, entry].find((path) => path === undefined || !existsSync(path));
  if (program === undefined) return [failed('service', `${file} names no program to run`, again)];
  if (missing !== undefined) return [failed('service', `${file} runs ${missing}, which does not exist`, again)];
  const { bin } = config.openclaw.exec;
  if (capabilities.startsProgram && !findProgram([bin], { PATH: installed.path })) {
    const evidence = `${bin} is not on the PATH of ${service} (${installed.path || 'empty'})`;
    return [failed('service', evidence, `${again}, with ${bin} on the PATH of your shell`)];
  }
  try {
    const { loaded, pid, lastExit } = await manager.state();
    if (!loaded)
      return [
        failed('service', `${service} is installed, but ${manager.name} has not loaded it`, 'clawmesh node start'),
      ];
    if (pid) return [ok('service', `${service} runs as process ${pid}`)];
    const ended = lastExit === undefined ? '' : `; its last exit was ${lastExit}`;
    return [warning('service', `${service} does not run${ended}`, 'clawmesh node start; its log shows why it ended')];
  } catch (error) {
    return [failed('service', messageOf(error), 'see clawmesh node install --dry-run')];
  }
}

/** The manager with an installed service, this user's before the system's. */
function installedManager(): ServiceManager | undefined {
  if (process.platform !== 'darwin' && process.platform !== 'linux') return undefined;
  for (const system of [false, true]) {
    try {
      const manager = serviceManager({ system, manager: undefined, env: process.env });
      if (manager.installed() !== undefined) return manager;
    } catch {
      // A user without a home folder has no user service.
    }
  }
  return undefined;
}
