import { join } from 'node:path';
import { homeFolder } from '../../config/home.ts';
import type { Finding } from '../../domain/finding.ts';
import { ask, refusal } from './ask.ts';
import { readIfThere, type ServiceDefinition } from './definition.ts';
import {
  type InstalledDefinition,
  OPEN_FILES,
  type ServiceManager,
  type ServiceNow,
  type ServiceState,
  STATE_TIMEOUT_MS,
  type Step,
} from './manager.ts';

const SYSTEMD_UNIT = 'clawmesh-node.service';
/** Exit code for an invalid config: a restart would not help. */
const CONFIG_WRONG = 2;
const RESTART_AFTER_S = 5;

/** The service of a node as a systemd unit: this user's, or with `system` the machine's. */
export class Systemd implements ServiceManager {
  readonly name = 'systemd';
  readonly service = SYSTEMD_UNIT;
  readonly file: string;
  readonly #system: boolean;

  constructor(options: { system: boolean; env: NodeJS.ProcessEnv }) {
    this.#system = options.system;
    const own = () => join(options.env.XDG_CONFIG_HOME || join(homeFolder(options.env), '.config'), 'systemd/user');
    this.file = join(options.system ? '/etc/systemd/system' : own(), SYSTEMD_UNIT);
  }

  textOf({ nodeId, command, env, stopTimeoutS, user }: ServiceDefinition): string {
    return `[Unit]
Description=clawmesh node ${nodeId}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command.map((word) => quoted(word).replace(/\$/g, '$$$$')).join(' ')}
${Object.entries(env)
  .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  .join('\n')}
Restart=on-failure
RestartSec=${RESTART_AFTER_S}
RestartPreventExitStatus=${CONFIG_WRONG}
# The node ends its runs itself; systemd kills the processes that are left.
KillMode=mixed
TimeoutStopSec=${stopTimeoutS}
LimitNOFILE=${OPEN_FILES}
UMask=0077
${user ? `User=${user}\n` : ''}
[Install]
WantedBy=${this.#system ? 'multi-user.target' : 'default.target'}
`;
  }

  installed(): InstalledDefinition | undefined {
    const text = readIfThere(this.file);
    if (text === undefined) return undefined;
    const words = (line: string | undefined) =>
      [...(line ?? '').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => unquoted(match[1] as string));
    const path = words(/^Environment="PATH=.*$/m.exec(text)?.[0])[0] ?? '';
    return { text, command: words(/^ExecStart=.*$/m.exec(text)?.[0]), path: path.replace('PATH=', '') };
  }

  async state(): Promise<ServiceState> {
    const command = this.#systemctl(
      'show',
      SYSTEMD_UNIT,
      '--property=ActiveState,UnitFileState,MainPID,ExecMainStatus',
    );
    const result = await ask(command, STATE_TIMEOUT_MS);
    if (result.failed) throw refusal(this, command, result);
    const found = new Map(result.stdout.split('\n').map((line) => line.split('=', 2) as [string, string]));
    const active = found.get('ActiveState') === 'active' || found.get('ActiveState') === 'activating';
    return {
      loaded: found.get('UnitFileState') === 'enabled',
      pid: (active && Number(found.get('MainPID'))) || undefined,
      lastExit: active ? undefined : found.get('ExecMainStatus'),
    };
  }

  install(definition: ServiceDefinition, { installed, state }: ServiceNow): Step[] {
    const text = this.textOf(definition);
    if (installed?.text === text && state.loaded && state.pid) return [];
    const changed = installed?.text !== text;
    return [
      ...(changed ? [{ do: 'write' as const, file: this.file, text }, this.#run('daemon-reload')] : []),
      this.#run('enable', SYSTEMD_UNIT),
      this.#run(state.pid && changed ? 'restart' : 'start', SYSTEMD_UNIT),
      // Units of a user end with that user's last session unless lingering is enabled.
      ...(this.#system ? [] : [{ do: 'run' as const, command: ['loginctl', 'enable-linger'], mayFail: true }]),
    ];
  }

  uninstall({ installed, state }: ServiceNow): Step[] {
    if (!installed) return [];
    return [
      ...(state.loaded || state.pid ? [this.#run('disable', '--now', SYSTEMD_UNIT)] : []),
      { do: 'remove', file: this.file },
      this.#run('daemon-reload'),
    ];
  }

  start({ state }: ServiceNow): Step[] {
    return state.pid ? [] : [this.#run('start', SYSTEMD_UNIT)];
  }

  stop({ state }: ServiceNow): Step[] {
    return state.pid ? [this.#run('stop', SYSTEMD_UNIT)] : [];
  }

  restart(): Step[] {
    return [this.#run('restart', SYSTEMD_UNIT)];
  }

  explain(
    command: readonly string[],
    _exitCode: number | undefined,
    output: string,
  ): Pick<Finding, 'problem' | 'remedy'> {
    const said = `${command.join(' ')}: ${output.trim().split('\n')[0] ?? ''}`;
    if (/Failed to connect to bus|not been booted with systemd/.test(output)) {
      const remedy = this.#system
        ? 'check that this machine runs systemd'
        : 'log in directly as this user (not with su or sudo), or: sudo clawmesh node install --system --user <name>';
      return { problem: `can't reach systemd (${said})`, remedy };
    }
    if (/Access denied|Permission denied|Interactive authentication required/.test(output)) {
      return { problem: `systemd does not permit this user to do that (${said})`, remedy: 'run the command with sudo' };
    }
    return { problem: said, remedy: `journalctl ${this.#system ? '' : '--user '}-u ${SYSTEMD_UNIT} shows more` };
  }

  #run(...args: string[]): Step {
    return { do: 'run', command: this.#systemctl(...args) };
  }

  #systemctl(...args: string[]): string[] {
    return ['systemctl', ...(this.#system ? [] : ['--user']), ...args];
  }
}

/** See `man systemd.syntax`, "Quoting", and `%` doubled; in command lines `$` is doubled too. */
function quoted(word: string): string {
  return `"${word.replace(/[\\"]/g, '\\$&').replace(/%/g, '%%')}"`;
}

function unquoted(word: string): string {
  return word.replace(/\\(.)/g, '$1').replace(/%%/g, '%').replace(/\$\$/g, '$');
}
