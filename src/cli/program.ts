import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { cutText } from '../domain/cut-text.ts';
import { ClawmeshError, messageOf, onOneLine } from '../domain/errors.ts';
import { alertsCommand } from './commands/alerts.ts';
import { circuitCommand } from './commands/circuit.ts';
import { completeCommand } from './commands/complete.ts';
import { completionCommand } from './commands/completion.ts';
import { configCommand } from './commands/config.ts';
import { dashboardCommand } from './commands/dashboard.ts';
import { doctorCommand } from './commands/doctor.ts';
import { drillCommand } from './commands/drill.ts';
import { enqueueCommand } from './commands/enqueue.ts';
import { eventsCommand } from './commands/events.ts';
import { handoversCommand } from './commands/handovers.ts';
import { mcpCommand } from './commands/mcp.ts';
import { meshCommand } from './commands/mesh.ts';
import { nodeCommand } from './commands/node.ts';
import { poolCommand } from './commands/pool.ts';
import { redisCommand } from './commands/redis.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { statusCommand } from './commands/status.ts';
import { taskCommand } from './commands/task.ts';
import { topCommand } from './commands/top.ts';
import { upCommand } from './commands/up.ts';
import { EXIT, exitCodesHelp, reportError } from './exit.ts';
import { example } from './help.ts';
import { asksForJson } from './output-options.ts';
import { packageVersion } from './version.ts';

/** The whole command tree. Commands import their modules when they run, so that `--help` loads no Redis or BullMQ. */
export function createProgram(): Command {
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
  for (const command of [
    upCommand(),
    enqueueCommand(),
    taskCommand(),
    nodeCommand(),
    statusCommand(),
    topCommand(),
    handoversCommand(),
    doctorCommand(),
    drillCommand(),
    poolCommand(),
    circuitCommand(),
    scheduleCommand(),
    eventsCommand(),
    alertsCommand(),
    dashboardCommand(),
    mcpCommand(),
    redisCommand(),
    configCommand(),
    meshCommand(),
    completionCommand(() => createProgram()),
  ]) {
    program.addCommand(command);
  }
  program.addCommand(completeCommand(), { hidden: true });
  strict(program);
  return program;
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
    await createProgram().parseAsync([...args], { from: 'user' });
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
