import { join } from 'node:path';
import * as plist from 'plist';
import * as z from 'zod';
import { homeFolder } from '../../config/home.ts';
import type { Finding } from '../../domain/finding.ts';
import { ask, refusal } from './ask.ts';
import { NODE_LOG, PRINTED_LOG, readIfThere, type ServiceDefinition } from './definition.ts';
import {
  type InstalledDefinition,
  NOT_LOADED,
  OPEN_FILES,
  type ServiceManager,
  type ServiceNow,
  type ServiceState,
  STATE_TIMEOUT_MS,
  type Step,
} from './manager.ts';

const LAUNCHD_LABEL = 'ai.clawmesh.node';
/** launchd starts a job at most every 10 s by itself; stated explicitly, since it ignores a shorter interval. */
const THROTTLE_S = 10;
export const NEWSYSLOG = '/etc/newsyslog.d/clawmesh.conf';
/**
 * Exit code of `launchctl print` for a job that is not loaded (bootstrap's own errors are in {@link Launchd.explain}).
 */
const NO_SUCH_SERVICE = 113;

const installedPlist = z.object({
  ProgramArguments: z.array(z.string()),
  EnvironmentVariables: z.object({ PATH: z.string().default('') }).default({ PATH: '' }),
});

/** The service of a node as a launchd user agent, or with `system` as a daemon. */
export class Launchd implements ServiceManager {
  readonly name = 'launchd';
  readonly service = LAUNCHD_LABEL;
  readonly file: string;
  readonly #domain: string;
  readonly #system: boolean;

  constructor(options: { system: boolean; env: NodeJS.ProcessEnv }) {
    this.#system = options.system;
    const folder = options.system ? '/Library' : join(homeFolder(options.env), 'Library');
    this.file = join(folder, options.system ? 'LaunchDaemons' : 'LaunchAgents', `${LAUNCHD_LABEL}.plist`);
    this.#domain = options.system ? 'system' : `gui/${process.getuid?.() ?? ''}`;
  }

  textOf({ command, env, logFolder, stopTimeoutS, user }: ServiceDefinition): string {
    const printed = join(logFolder, PRINTED_LOG);
    return `${plist.build({
      Label: LAUNCHD_LABEL,
      ProgramArguments: [...command],
      EnvironmentVariables: { ...env },
      RunAtLoad: true,
      // Not after a clean exit: a node that was asked to stop stays stopped.
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: THROTTLE_S,
      ExitTimeOut: stopTimeoutS,
      // Other types may have their timers coalesced and delayed, which would look like missed heartbeats.
      ProcessType: 'Interactive',
      SoftResourceLimits: { NumberOfFiles: OPEN_FILES },
      HardResourceLimits: { NumberOfFiles: OPEN_FILES },
      Umask: 0o077,
      StandardOutPath: printed,
      StandardErrorPath: printed,
      ...(user && { UserName: user }),
    })}\n`;
  }

  installed(): InstalledDefinition | undefined {
    const text = readIfThere(this.file);
    if (text === undefined) return undefined;
    const parsed = installedPlist.safeParse(parsePlist(text));
    const { ProgramArguments, EnvironmentVariables } = parsed.data ?? installedPlist.parse({ ProgramArguments: [] });
    return { text, command: ProgramArguments, path: EnvironmentVariables.PATH };
  }

  async state(): Promise<ServiceState> {
    const command = ['launchctl', 'print', this.#target];
    const result = await ask(command, STATE_TIMEOUT_MS);
    if (result.exitCode === 0) {
      const found = (name: string) => new RegExp(`^\\s*${name} = (.+)$`, 'm').exec(result.stdout)?.[1];
      const pid = Number(found('pid'));
      const lastExit = found('last exit code');
      return { loaded: true, pid: pid || undefined, lastExit: lastExit?.startsWith('(never') ? undefined : lastExit };
    }
    if (result.exitCode === NO_SUCH_SERVICE) return NOT_LOADED;
    throw refusal(this, command, result);
  }

  install(definition: ServiceDefinition, { installed, state }: ServiceNow): Step[] {
    const text = this.textOf(definition);
    if (installed?.text === text && state.loaded) return [];
    return [
      { do: 'make-folder', folder: definition.logFolder },
      // Otherwise root owns the folder, and the node could not write its log.
      ...(definition.user ? [{ do: 'run' as const, command: ['chown', definition.user, definition.logFolder] }] : []),
      ...this.#unload(state),
      { do: 'write', file: this.file, text },
      ...(this.#system ? [newsyslog(definition)] : []),
      ...this.#load(),
    ];
  }

  uninstall({ installed, state }: ServiceNow): Step[] {
    const files = installed ? [this.file, ...(this.#system ? [NEWSYSLOG] : [])] : [];
    return [...this.#unload(state), ...files.map((file) => ({ do: 'remove' as const, file }))];
  }

  start({ state }: ServiceNow): Step[] {
    if (!state.loaded) return this.#load();
    return state.pid ? [] : [{ do: 'run', command: ['launchctl', 'kickstart', this.#target] }];
  }

  /**
   * Unloads the job. A job that only receives a signal is started again if its exit is not clean, for example while it
   * can't reach Redis. The next login or boot loads it again.
   */
  stop({ state }: ServiceNow): Step[] {
    return this.#unload(state);
  }

  /** Not `kickstart -k`, which does not wait for a drain. */
  restart({ state }: ServiceNow): Step[] {
    return [...this.#unload(state), ...this.#load()];
  }

  explain(
    command: readonly string[],
    exitCode: number | undefined,
    output: string,
  ): Pick<Finding, 'problem' | 'remedy'> {
    const said = `${command.slice(0, 2).join(' ')}: ${output.trim().split('\n')[0] ?? ''}`;
    const known = SYMPTOMS.find(({ codes, pattern }) => codes.includes(exitCode ?? -1) || pattern?.test(output));
    return {
      problem: known ? `${known.problem} (${said})` : said,
      remedy: known?.remedy ?? 'see man launchctl',
    };
  }

  get #target(): string {
    return `${this.#domain}/${LAUNCHD_LABEL}`;
  }

  /** `bootstrap` alone does not start a service that was once disabled. */
  #load(): Step[] {
    return [
      { do: 'run', command: ['launchctl', 'enable', this.#target] },
      { do: 'run', command: ['launchctl', 'bootstrap', this.#domain, this.file] },
    ];
  }

  #unload(state: ServiceState): Step[] {
    if (!state.loaded) return [];
    return [{ do: 'run', command: ['launchctl', 'bootout', this.#target] }, { do: 'wait-until-unloaded' }];
  }
}

/** From `man launchctl`, and `launchctl error <code>` for the codes. */
const SYMPTOMS: readonly (Pick<Finding, 'problem' | 'remedy'> & { codes: number[]; pattern?: RegExp })[] = [
  {
    codes: [112, 125],
    pattern: /Could not find domain|Domain does not support/,
    problem: 'no user is logged in at the screen of this Mac, so there are no user agents',
    remedy: 'log in there (System Settings, Users & Groups, automatic login), or: sudo clawmesh node install --system',
  },
  {
    codes: [],
    pattern: /Operation not permitted|not privileged|Permission denied/,
    problem: 'launchd does not permit this user to do that',
    remedy: 'run the command with sudo',
  },
  {
    codes: [5],
    problem: "launchd can't load the service",
    remedy: 'it may already be loaded, or be disabled: run clawmesh node uninstall, then clawmesh node install',
  },
  {
    codes: [3, 113],
    problem: 'launchd does not know this service',
    remedy: 'clawmesh node install',
  },
  {
    codes: [127],
    pattern: /ENOENT/,
    problem: 'this machine has no launchctl',
    remedy: 'check that this is a Mac, and that /bin is on PATH',
  },
];

/**
 * Rotates the log of a daemon: weekly or at 10 MB, 7 kept. No signal is needed (`N`), since the node reopens its log
 * once it was moved away. For the same reason nothing is compressed while the node may still write to it.
 */
function newsyslog({ logFolder, user }: ServiceDefinition): Step {
  const owner = user ? `${user}:` : '';
  return {
    do: 'write',
    file: NEWSYSLOG,
    text: `# logfilename\t[owner:group]\tmode\tcount\tsize\twhen\tflags\n${join(logFolder, NODE_LOG)}\t${owner}\t600\t7\t10240\t$W0\tN\n`,
  };
}

function parsePlist(text: string): unknown {
  try {
    return plist.parse(text);
  } catch {
    return undefined;
  }
}
