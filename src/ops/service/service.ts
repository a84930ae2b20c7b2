import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../domain/clock.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { shellWord } from '../../domain/shell.ts';
import { makeFolderSync } from '../../platform/make-folder.ts';
import { ask, refusal } from './ask.ts';
import { Launchd } from './launchd.ts';
import type { ServiceManager, Step } from './manager.ts';
import { Systemd } from './systemd.ts';

/** A stop takes as long as the node drains, ms; launchd and systemd kill it after its own timeout. */
const STEP_TIMEOUT_MS = 3_600_000;
const LOOK_EVERY_MS = 200;
/** Mode of folders that programs of the system use, too. */
const SHARED_FOLDER = 0o777;
const MANAGERS: Partial<Record<NodeJS.Platform, ServiceManager['name']>> = { darwin: 'launchd', linux: 'systemd' };

/** The service manager of this machine. @throws ClawmeshError `usage` if it has no supported one. */
export function serviceManager(options: {
  system: boolean;
  manager: ServiceManager['name'] | undefined;
  env: NodeJS.ProcessEnv;
}): ServiceManager {
  const name = options.manager ?? MANAGERS[process.platform];
  if (name === 'launchd') return new Launchd(options);
  if (name === 'systemd') return new Systemd(options);
  throw new ClawmeshError('usage', `clawmesh supports no service manager on ${process.platform}`, {
    remedy: 'let the service manager of this machine run clawmesh node run',
  });
}

/** Executes the steps in order. @throws ClawmeshError `failed` at the first that fails. */
export async function carryOut(manager: ServiceManager, steps: readonly Step[], clock: Clock): Promise<void> {
  for (const step of steps) {
    try {
      await carryOutOne(manager, step, clock);
    } catch (error) {
      if (error instanceof ClawmeshError) throw error;
      throw new ClawmeshError('failed', `can't ${stepText(step)}: ${messageOf(error)}`, {
        remedy: 'check that this user may do that; --system requires sudo',
      });
    }
  }
}

async function carryOutOne(manager: ServiceManager, step: Step, clock: Clock): Promise<void> {
  switch (step.do) {
    case 'write':
      return writeWhole(step.file, step.text);
    case 'remove':
      return rmSync(step.file, { force: true });
    case 'make-folder':
      makeFolderSync(step.folder, SHARED_FOLDER);
      return;
    case 'wait-until-unloaded':
      while ((await manager.state()).loaded) await clock.sleep(LOOK_EVERY_MS);
      return;
    case 'run':
      return run(manager, step.command, step.mayFail ?? false);
  }
}

/** Writes the file atomically. launchd refuses definitions that others may write. */
function writeWhole(file: string, text: string): void {
  makeFolderSync(dirname(file), SHARED_FOLDER);
  const fresh = `${file}.new`;
  writeFileSync(fresh, text, { mode: 0o644 });
  chmodSync(fresh, 0o644);
  renameSync(fresh, file);
}

async function run(manager: ServiceManager, command: readonly string[], mayFail: boolean): Promise<void> {
  const result = await ask(command, STEP_TIMEOUT_MS);
  if (!result.failed || mayFail) return;
  // launchd is already doing it; the next step waits for the end.
  if (/Operation now in progress/.test(result.all ?? '')) return;
  throw refusal(manager, command, result);
}

/** A step as a shell command. */
export function stepText(step: Step): string {
  switch (step.do) {
    case 'write':
      return `write ${shellWord(step.file)}`;
    case 'remove':
      return `rm ${shellWord(step.file)}`;
    case 'make-folder':
      return `mkdir -p ${shellWord(step.folder)}`;
    case 'wait-until-unloaded':
      return 'wait until its runs have ended and the service is unloaded';
    case 'run':
      return step.command.map(shellWord).join(' ');
  }
}
