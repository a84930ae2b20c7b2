import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { cutText } from '../domain/cut-text.ts';
import { ClawmeshError, messageOf, onOneLine } from '../domain/errors.ts';
import { EXIT, exitCodesHelp, reportError } from './exit.ts';
import { example } from './help.ts';
import { asksForJson } from './output-options.ts';
import { packageVersion } from './version.ts';

/**
 * The commands in the order of the help. A command line loads only the module of its own command, and commands import
 * what they need when they run.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).upCommand(),
  enqueue: async () => (await import('./commands/enqueue.ts')).enqueueCommand(),
  task: async () => (await import('./commands/task.ts')).taskCommand(),
  node: async () => (await import('./commands/node.ts')).nodeCommand(),
  status: async () => (await import('./commands/status.ts')).statusCommand(),
  top: async () => (await import('./commands/top.ts')).topCommand(),
  handovers: async () => (await import('./commands/handovers.ts')).handoversCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  drill: async () => (await import('./commands/drill.ts')).drillCommand(),
  pool: async () => (await import('./commands/pool.ts')).poolCommand(),
  circuit: async () => (await import('./commands/circuit.ts')).circuitCommand(),
  schedule: async () => (await import('./commands/schedule.ts')).scheduleCommand(),
  events: async () => (await import('./commands/events.ts')).eventsCommand(),
  alerts: async () => (await import('./commands/alerts.ts')).alertsCommand(),
  dashboard: async () => (await import('./commands/dashboard.ts')).dashboardCommand(),
  mesh: async () => (await import('./commands/mesh.ts')).meshCommand(),
  mcp: async () => (await import('./commands/mcp.ts')).mcpCommand(),
  redis: async () => (await import('./commands/redis.ts')).redisCommand(),
  config: async () => (await import('./commands/config.ts')).configCommand(),
  completion: async () => (await import('./commands/completion.ts')).completionCommand(createProgram),
  __complete: async () => (await import('./commands/complete.ts')).completeCommand(),
};

/** The command tree: all of it, or only the command that this line names. */
export async function createProgram(args: readonly string[] = []): Promise<Command> {
  const program = new Command('clawmesh')
    .description('Queue OpenClaw agent tasks once; any Mac in the mesh runs them.')
    .option('--config <file>', 'config file (default: $CLAWMESH_CONFIG, the mesh in use, ./config/clawmesh.yaml, …)')
    .option('--mesh <name>', 'mesh to address, by the name of mesh add (default: the mesh in use)')
    .option('--json', 'print one JSON document on stdout')
    .option('--quiet', 'print only results and errors')
    .option('--verbose', 'print stack traces of errors')
    .option('--no-color', 'disable colors, as NO_COLOR does')
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', example('clawmesh up --nodes 3', 'clawmesh enqueue "summarize today\'s commits" --wait'))
    .addHelpText('afterAll', exitCodesHelp());
  const named = namedCommand(program, args);
  const names = named === undefined ? Object.keys(COMMANDS) : [named];
  for (const command of await Promise.all(names.map((name) => COMMANDS[name]?.()))) {
    if (command) program.addCommand(command, { hidden: command.name().startsWith('__') });
  }
  strict(program);
  return program;
}

/** The command of a line that has only global options before it; undefined if help or an error needs all commands. */
function namedCommand(program: Command, args: readonly string[]): string | undefined {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-')) return Object.hasOwn(COMMANDS, arg) ? arg : undefined;
    const option = program.options.find(({ long, short }) => arg === long || arg === short);
    if (!option || option.long === '--version') return undefined;
    if (option.required) at++;
  }
  return undefined;
}

/** Runs one command line. @returns its exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const garbled = garbledArgument(args);
  if (garbled !== undefined) {
    const problem = `the argument "${cutText(onOneLine(garbled), 40)}" is not valid UTF-8, so characters would be lost`;
    return reportError(
      new ClawmeshError('usage', problem, { remedy: 'check the locale of this terminal (LANG)' }),
      false,
      asksForJson(args),
    );
  }
  try {
    await (await createProgram(args)).parseAsync([...args], { from: 'user' });
    return exitCode();
  } catch (error) {
    const json = asksForJson(args);
    if (error instanceof CommanderError) return reportUsage(error, json);
    return reportError(error, args.includes('--verbose'), json);
  }
}

/** An argument in which Node.js has replaced bytes that are not valid UTF-8. */
function garbledArgument(args: readonly string[]): string | undefined {
  const found = args.find((arg) => arg.includes('\ufffd'));
  if (found === undefined) return undefined;
  try {
    // The user may have typed the replacement character. Only Linux shows the original bytes.
    return isUtf8(readFileSync('/proc/self/cmdline')) ? undefined : found;
  } catch {
    return found;
  }
}

/** Ends the process after an unexpected exception, with a one-line error. */
export function crashed(error: unknown): void {
  const remedy = 'this is a bug in clawmesh; --verbose prints where';
  const message = error instanceof ClawmeshError ? error.message : `unexpected error: ${messageOf(error)}`;
  reportError(
    new ClawmeshError('failed', message, { remedy, cause: error }),
    process.argv.includes('--verbose'),
    asksForJson(process.argv),
  );
  process.exit(EXIT.failed);
}

function exitCode(): number {
  return typeof process.exitCode === 'number' ? process.exitCode : 0;
}

function reportUsage(error: CommanderError, json: boolean): number {
  if (error.exitCode === 0) return 0;
  // A command group without a subcommand has printed its help.
  if (error.code === 'commander.help') return EXIT.usage;
  const message = onOneLine(error.message.replace(/^error: /, ''));
  return reportError(new ClawmeshError('usage', message, { remedy: 'see --help' }), false, json);
}

function strict(command: Command): void {
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureOutput({ outputError: () => {} });
  for (const child of command.commands) strict(child);
}
