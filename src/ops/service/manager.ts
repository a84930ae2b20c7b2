import type { Finding } from '../../domain/finding.ts';
import type { ServiceDefinition } from './definition.ts';

/**
 * One step of a change to a service. All steps are determined before the first is executed, so that they can be shown
 * instead.
 */
export type Step =
  | { readonly do: 'write'; readonly file: string; readonly text: string }
  | { readonly do: 'remove'; readonly file: string }
  | { readonly do: 'make-folder'; readonly folder: string }
  /** `mayFail`: useful, but not required. */
  | { readonly do: 'run'; readonly command: readonly string[]; readonly mayFail?: boolean }
  /** Until the process has ended, and the manager has unloaded the service. */
  | { readonly do: 'wait-until-unloaded' };

/** The state of a service, according to its manager. */
export interface ServiceState {
  /** Whether the manager has loaded the service and starts it with the machine or the login. */
  readonly loaded: boolean;
  readonly pid: number | undefined;
  /** How its last process ended, if one has. */
  readonly lastExit: string | undefined;
}

/** The parts of an installed definition that can become invalid. */
export interface InstalledDefinition {
  readonly text: string;
  readonly command: readonly string[];
  readonly path: string;
}

/** The state before the first step. */
export interface ServiceNow {
  readonly installed: InstalledDefinition | undefined;
  readonly state: ServiceState;
}

/** Limit for connections, pipes and files of the runs; the default of macOS is 256. */
export const OPEN_FILES = 65_536;
/** A manager replies to a state query at once, ms. */
export const STATE_TIMEOUT_MS = 15_000;

/** The state of a service that is not installed. */
export const NOT_LOADED: ServiceState = { loaded: false, pid: undefined, lastExit: undefined };

/** A program that keeps services running: launchd or systemd. */
export interface ServiceManager {
  readonly name: 'launchd' | 'systemd';
  /** The name of the service in the manager. */
  readonly service: string;
  /** The file of its definition. */
  readonly file: string;
  /** Undefined if none is installed. */
  installed(): InstalledDefinition | undefined;
  /** @throws ClawmeshError if the manager can't be queried. */
  state(): Promise<ServiceState>;
  /** Empty if the installed service already matches the definition. */
  install(definition: ServiceDefinition, now: ServiceNow): Step[];
  uninstall(now: ServiceNow): Step[];
  start(now: ServiceNow): Step[];
  stop(now: ServiceNow): Step[];
  restart(now: ServiceNow): Step[];
  /** Turns the output of a failed manager command into a problem and a remedy. */
  explain(
    command: readonly string[],
    exitCode: number | undefined,
    output: string,
  ): Pick<Finding, 'problem' | 'remedy'>;
}
