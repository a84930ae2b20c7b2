import type { Config } from '../config/schema.ts';
import { shellWord } from '../domain/shell.ts';
import { kindOf, RUNNERS } from '../runners/all.ts';

/** The OpenClaw version that the tests use. Suggested if the config pins none. */
export const TESTED_OPENCLAW = '2026.9.6';

interface Greeting {
  readonly config: Config;
  /** The config file in use; undefined if all settings are defaults. */
  readonly file: string | undefined;
  /** The config file that the operator named; every suggested command must name it, too. */
  readonly namedFile: string | undefined;
  /** The OpenClaw mode of each node; `auto` if it is not known yet. */
  readonly modes: readonly Config['openclaw']['mode'][];
  /** Nodes that claim no tasks, and why. */
  readonly idle: readonly { readonly id: string; readonly reason: string }[];
  /** The address of Redis. */
  readonly redis: string;
  /** A login link for the dashboard. */
  readonly dashboardUrl: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** The text that `clawmesh up` prints once its nodes are up: addresses, and the commands to continue with. */
export function upGreeting(greeting: Greeting): string {
  const { config, modes, redis, dashboardUrl, env } = greeting;
  const used = [...new Set(modes)].join(', ');
  const program = isCheckout(env) ? 'npm run -s clawmesh --' : 'clawmesh';
  const option = configOption(greeting);
  const enqueue = `${program} enqueue "hello" --wait${option}`;
  const status = `${program} status${option}`.padEnd(enqueue.length);
  const link = `${program} dashboard --link${option}`;
  const simulated = modes.every((mode) => mode !== 'auto' && !kindOf(mode).capabilities.hasProvider);
  return [
    `\nmesh "${config.mesh}" ${standing(greeting)} (${used}) on Redis at ${redis}`,
    ...idleNodes(greeting, program),
    ...(simulated ? [simulationWarning(greeting)] : []),
    ...(dashboardUrl === undefined
      ? []
      : [
          '',
          `  dashboard: ${dashboardUrl}`,
          `    this link logs you in once, within 10 minutes; for another: ${link}`,
        ]),
    '',
    '  in a second shell:',
    `    ${enqueue}     queue a task and print its answer`,
    `    ${status}     show the mesh on one screen`,
    ...(simulated && config.openclaw.mode === 'auto' ? ['', ...installSteps(greeting, program)] : []),
    '',
    '  Ctrl-C stops everything\n',
  ].join('\n');
}

/** A mesh is up if all of its nodes claim tasks; any other state must not read as if it were. */
function standing({ modes, idle }: Greeting): string {
  const all = `${modes.length} ${modes.length === 1 ? 'node' : 'nodes'}`;
  if (idle.length === 0) return `is up: ${all}`;
  const working = modes.length - idle.length;
  const share = `${working} of ${all}`;
  return working === 0 ? `runs no tasks yet: ${share} ready` : `is partly up: ${share} ready`;
}

function idleNodes(greeting: Greeting, program: string): string[] {
  const { idle } = greeting;
  if (idle.length === 0) return [];
  const why = idle.map(({ id, reason }) => `  ${id} claims no tasks: ${reason}`);
  return [...why, `  to see how to fix this: ${program} doctor${configOption(greeting)}`];
}

function simulationWarning(greeting: Greeting): string {
  const { mode, exec } = greeting.config.openclaw;
  const simulated = 'tasks are only simulated; no agent runs';
  if (mode === 'auto') return `no OpenClaw gateway is ready and ${exec.bin} is not on PATH: ${simulated}`;
  const real = RUNNERS.filter(({ capabilities }) => capabilities.hasProvider).map((kind) => kind.mode);
  return `openclaw.mode is ${mode}: ${simulated}\n  to run real tasks, set it to ${real.join(' or ')} in ${fileToEdit(greeting)} and start again`;
}

function installSteps(greeting: Greeting, program: string): string[] {
  const { version, gateway } = greeting.config.openclaw;
  // A running gateway is preferred over `openclaw agent exec`, and refuses clients without its token.
  const token = `  with a running OpenClaw gateway, also set openclaw.gateway.token in ${fileToEdit(greeting)}`;
  return [
    '  to run real tasks, install OpenClaw (requires Node.js 24.16 or later) and start again:',
    `    npm install -g openclaw@${version ?? TESTED_OPENCLAW}`,
    '    openclaw onboard',
    `    ${startAgain(greeting, program)}`,
    ...(gateway.token === undefined ? [token] : []),
  ];
}

function startAgain(greeting: Greeting, program: string): string {
  const option = configOption(greeting);
  const { env, modes } = greeting;
  if (isCheckout(env) && env.npm_lifecycle_event === 'start') return `npm start${option && ` --${option}`}`;
  return `${program} up --nodes ${modes.length}${option}`;
}

/** Whether npm runs clawmesh from a checkout, so that `clawmesh` is not on PATH. */
function isCheckout(env: NodeJS.ProcessEnv): boolean {
  return env.npm_package_name === 'clawmesh';
}

function fileToEdit({ file }: Greeting): string {
  return file ?? '~/.config/clawmesh/clawmesh.yaml';
}

function configOption({ namedFile }: Greeting): string {
  return namedFile === undefined ? '' : ` --config ${shellWord(namedFile)}`;
}
