import type { ServiceDefinition } from './definition.ts';

/** One thing to be done to a service. What it takes is decided before anything is done, so that it can be shown instead. */
export type Step =
  | { readonly do: 'write'; readonly file: string; readonly text: string }
  | { readonly do: 'remove'; readonly file: string }
  | { readonly do: 'make-folder'; readonly folder: string }
  /** `mayFail`: worth having, but not what was asked for. */
  | { readonly do: 'run'; readonly command: readonly string[]; readonly mayFail?: boolean }
  /** Until its process has ended, and the manager knows it no more. */
  | { readonly do: 'wait-until-unloaded' };

/** How a service stands with its manager. */
export interface ServiceState {
  /** Whether the manager knows it and starts it with the machine or the login. */
  readonly loaded: boolean;
  readonly pid: number | undefined;
  /** How its last process ended, where one has. */
  readonly lastExit: string | undefined;
}

/** What is in an installed definition, as far as it can go bad. */
export interface InstalledDefinition {
  readonly text: string;
  readonly command: readonly string[];
  readonly path: string;
}

/** How things are before anything is done. */
export interface ServiceNow {
  readonly installed: InstalledDefinition | undefined;
  readonly state: ServiceState;
}

/** Connections, pipes and files of the runs; the default of macOS is 256. */
export const OPEN_FILES = 65_536;
/** A manager that is asked how things are answers at once, ms. */
export const STATE_TIMEOUT_MS = 15_000;

/** What the manager knows of a service that is not there. */
export const NOT_LOADED: ServiceState = { loaded: false, pid: undefined, lastExit: undefined };

/** A program that keeps services running: launchd or systemd. */
export interface ServiceManager {
  readonly name: 'launchd' | 'systemd';
  /** What the service is called there. */
  readonly service: string;
  /** Where its definition is. */
  readonly file: string;
  /** undefined where none is installed. */
  installed(): InstalledDefinition | undefined;
  /** @throws ClawmeshError where the manager can't be asked. */
  state(): Promise<ServiceState>;
  /** Nothing where all is as the definition says. */
  install(definition: ServiceDefinition, now: ServiceNow): Step[];
  uninstall(now: ServiceNow): Step[];
  start(now: ServiceNow): Step[];
  stop(now: ServiceNow): Step[];
  restart(now: ServiceNow): Step[];
  /** What a person needs instead of what the manager's command said. */
  explain(command: readonly string[], exitCode: number | undefined, output: string): { what: string; fix: string };
}
