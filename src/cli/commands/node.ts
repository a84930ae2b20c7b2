import { Command } from 'commander';
import { counted } from '../../domain/counted.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Node } from '../../domain/node.ts';
import { humanDuration } from '../../domain/units.ts';
import { loadedConfig, outputOf, withMesh } from '../context.ts';
import { reportError } from '../exit.ts';
import { example } from '../help.ts';
import { loadBar } from '../load-bar.ts';
import { choiceOption } from '../options.ts';
import { type Output, styledState } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';
import { onReloadSignal, onStopSignals } from '../signals.ts';
import { packageVersion } from '../version.ts';
import { addWebOption, openPage } from '../web.ts';
import { nodeServiceCommands } from './node-service.ts';
import { addNodeSteeringCommands } from './node-steering.ts';

export function nodeCommand(): Command {
  const node = new Command('node')
    .description('run, inspect and steer nodes')
    .addHelpText('after', example('clawmesh node list', 'clawmesh node drain mac-1 --wait'));
  node
    .command('run')
    .description("run this Mac's worker daemon in the foreground (launchd runs this)")
    .option(
      '--log-format <format>',
      'log format: json or pretty (default: log.format)',
      choiceOption(['json', 'pretty'] as const),
    )
    .option('--log-file <file>', 'write the log to this file instead of stderr; a file that was rotated is reopened')
    .addHelpText(
      'after',
      `${example('CLAWMESH_NODE_ID=mac-1 clawmesh node run')}\n\nThe first SIGTERM or Ctrl-C lets running tasks finish, for at most drainTimeout; the second releases them at once.\nSIGHUP reloads the config if only dispatch, gates or openclaw.version have changed; other changes require a restart.`,
    )
    .action(run);
  addOutputOptions(node.command('list'))
    .description('list nodes and their health')
    .addHelpText('after', example('clawmesh node list', 'clawmesh node list --json'))
    .action(list);
  addWebOption(addOutputOptions(node.command('show')))
    .description('show everything about one node')
    .argument('<id>', 'node id')
    .addHelpText('after', example('clawmesh node show mac-1'))
    .action(show);
  addNodeSteeringCommands(node);
  for (const command of nodeServiceCommands()) node.addCommand(command);
  return node;
}

async function run(options: { logFormat?: 'json' | 'pretty'; logFile?: string }, command: Command): Promise<void> {
  const [
    { nodeIdentity },
    { loadConfig },
    { nodeConfig },
    { createLogger },
    { Daemon },
    { redisTarget },
    { NodeWeb },
    { openTracing },
    { allOf },
    { systemClock },
  ] = await Promise.all([
    import('../../config/identity.ts'),
    import('../../config/load.ts'),
    import('../../config/node-settings.ts'),
    import('../../log/logger.ts'),
    import('../../node/daemon.ts'),
    import('../../redis/target.ts'),
    import('../node-web.ts'),
    import('../../queue/bullmq/open-tracing.ts'),
    import('../../node/observer.ts'),
    import('../../platform/clock.ts'),
  ]);
  const loaded = await loadedConfig(command, { ofNode: true });
  const nodeId = nodeIdentity(process.env);
  const { config } = loaded;
  const { level, format } = config.log;
  const log = createLogger({ level, format: options.logFormat ?? format, file: options.logFile });
  const target = redisTarget(config, process.env);
  const web = await NodeWeb.of({ nodeId, config, settings: nodeConfig(config, nodeId), target, log });
  const warn = (error: string) => log.warn({ nodeId, error }, 'spans could not be sent');
  const tracing = await openTracing(
    { endpoint: config.telemetry.endpoint, mesh: config.mesh, nodeId, warn },
    process.env,
  );
  // Also logs a crash, with its stack; the exception then ends the process (cli/main.ts).
  process.on('uncaughtExceptionMonitor', (error) =>
    log.fatal({ nodeId, error: messageOf(error), stack: error.stack }, 'crashed'),
  );
  const stop = new AbortController();
  const daemon = new Daemon({
    nodeId,
    loaded,
    reload: () => loadConfig({ file: loaded.file, env: process.env }),
    target,
    version: packageVersion(),
    clock: systemClock,
    log,
    observer: tracing ? allOf([web.observer, tracing]) : web.observer,
    env: process.env,
    signal: stop.signal,
  });
  const hangUp = process.stdin.isTTY === true;
  const undo = onStopSignals((count) => (count === 1 ? stop.abort() : daemon.hurry()), { hangUp });
  const undoReload = hangUp ? () => {} : onReloadSignal(() => daemon.reload());
  const opened = web.open(daemon);
  const code = await daemon.run().then(
    () => 0,
    (error: unknown) => reportError(error, command.optsWithGlobals().verbose === true),
  );
  try {
    await opened.then(() => web.close());
    await tracing?.close();
  } finally {
    undo();
    undoReload();
    // An open handle must not keep a process that is no daemon any more: launchd would not start it again. The journal
    // keeps outcomes that Redis never accepted.
    process.exit(code);
  }
}

async function list(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const nodes = await mesh.nodes();
    if (out.json) out.document<'node list'>({ nodes }, 'nodes');
    else if (nodes.length === 0) out.note('no nodes; start one with clawmesh node run');
    else printNodes(out, nodes);
  });
}

async function show(id: string, options: { web?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const node = await mesh.node.existing(id);
    if (options.web) await openPage(command, `/node/${encodeURIComponent(id)}`);
    else if (out.json) out.document<'node show'>(node);
    else printNode(out, node);
  });
}

export function printNodes(out: Output, nodes: readonly Node[]): void {
  const more = out.wide ? ['HOST', 'UP', 'LABELS', 'CONFIG'] : [];
  out.table(
    ['NODE', 'STATE', 'RUNNING', 'POOLS', 'HEARTBEAT', 'OPENCLAW', 'CLAWMESH', ...more, 'GATES'],
    nodes.map((node) => [
      node.id,
      styledState(out, node.state),
      loadBar(node),
      Object.entries(node.pools)
        .map(([pool, { running, concurrency }]) => `${pool} ${running}/${concurrency}`)
        .join(', '),
      node.heartbeatAgeMs === null ? '-' : `${humanDuration(node.heartbeatAgeMs)} ago`,
      openclawText(node),
      node.version,
      ...(out.wide ? [node.host, humanDuration(node.uptimeMs), labelsText(node) || '-', node.configDigest] : []),
      node.gates
        .filter((gate) => gate.reason !== null)
        .map((gate) => out.style(gate.open ? 'dim' : 'yellow', `${gate.name}: ${gate.reason}`))
        .join('; '),
    ]),
  );
}

function labelsText({ labels }: Node): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function openclawText({ openclaw }: Node): string {
  const { version, expected } = openclaw;
  const pinned = version !== null && expected !== null && expected !== version ? ` (expected ${expected})` : '';
  return `${openclaw.mode}${openclaw.version ? ` ${openclaw.version}` : ''}${pinned}`;
}

function printNode(out: Output, node: Node): void {
  printNodes(out, [node]);
  out.line();
  const field = (name: string, value: string) => out.line(`${out.style('dim', `${name}:`.padEnd(14))} ${value}`);
  field('host', `${node.host}, process ${node.pid}`);
  if (labelsText(node) !== '') field('labels', labelsText(node));
  field('incarnation', String(node.incarnation));
  field('up', humanDuration(node.uptimeMs));
  field('config digest', node.configDigest);
  field(
    'load',
    `cpu ${node.load.cpu} per core, memory ${Math.round(node.load.memory * 100)} %, event loop delay ${node.load.eventLoopDelayMs} ms`,
  );
  if (node.channels?.length) field('channels', node.channels.join(' '));
  if (node.journal.pending > 0)
    field('undelivered', `${counted(node.journal.pending, 'result')} on its disk, until Redis accepts them`);
  if (node.journal.discarded > 0)
    field('discarded', `${counted(node.journal.discarded, 'result')} that came too late; see its journal`);
  for (const id of node.running) field('running', id);
  for (const id of node.orphaned) field('orphaned', `${id}, until another node claims it`);
}
