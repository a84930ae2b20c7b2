import { Command } from 'commander';
import type { LoadedConfig } from '../../config/load.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Dashboard } from '../../ops/dashboard/server.ts';
import { systemClock } from '../../platform/clock.ts';
import type { RedisTarget } from '../../redis/connection.ts';
import type { PrivateServer } from '../../redis/private-server.ts';
import { loadedConfig, namedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { numberOption } from '../options.ts';
import type { Output } from '../output.ts';
import { onStopSignals } from '../signals.ts';

export function upCommand(): Command {
  return new Command('up')
    .description(
      'run the whole mesh on this machine: Redis (a private one if none is configured), nodes, dashboard; Ctrl-C drains it',
    )
    .option('--nodes <n>', 'number of nodes to run, as processes node-1, node-2, …', numberOption(1, 64), 1)
    .option('--no-dashboard', 'do not serve the dashboard')
    .addHelpText('after', example('clawmesh up', 'clawmesh up --nodes 3'))
    .action(up);
}

async function up(options: { nodes: number; dashboard: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  const loaded = await loadedConfig(command, { ofNode: true });
  const [{ NodeProcess }, { sharedFile }] = await Promise.all([
    import('../node-process.ts'),
    import('../../config/load.ts'),
  ]);
  const configFile = loaded.file && sharedFile(loaded.file);
  const stopped = Promise.withResolvers<void>();
  let nodes: InstanceType<typeof NodeProcess>[] = [];
  // Registered first, so that Ctrl-C during start-up also stops everything in order.
  let stopping = false;
  const undo = onStopSignals((count) => {
    stopping = true;
    if (count === 1) out.note('\nstopping: nodes finish their running tasks (Ctrl-C again releases them at once)');
    for (const node of nodes) node.stop();
    stopped.resolve();
  });
  let server: PrivateServer | undefined;
  let dashboard: Dashboard | undefined;
  try {
    const opened = await openServer(loaded);
    server = opened.server;
    if (stopping) return;
    nodes = Array.from(
      { length: options.nodes },
      (_, index) => new NodeProcess(`node-${index + 1}`, configFile, index),
    );
    for (const node of nodes) node.start();
    if (options.dashboard) dashboard = await openPage(out, loaded, opened.target);
    await greet(command, loaded, opened.target, nodes, dashboard, stopped.promise);
    await stopped.promise;
  } finally {
    // Also after an error: otherwise the nodes would be restarted forever, without their Redis.
    if (!stopping) for (const node of nodes) node.stop();
    await Promise.all(nodes.map((node) => node.ended));
    await dashboard?.close().catch((error: unknown) => out.note(`the dashboard did not close: ${messageOf(error)}`));
    await server?.stop();
    undo();
  }
  out.note('the mesh has stopped');
}

async function openServer(loaded: LoadedConfig): Promise<{ server: PrivateServer | undefined; target: RedisTarget }> {
  if (loaded.config.redis) {
    const target: RedisTarget = { kind: 'shared', config: loaded.config.redis };
    const { connectRedis, openRedis } = await import('../../redis/connection.ts');
    const client = connectRedis(target, 'cli', 'clawmesh:up');
    await openRedis(client, target);
    client.disconnect();
    return { server: undefined, target };
  }
  const { PrivateServer } = await import('../../redis/private-server.ts');
  const server = await PrivateServer.start(loaded.config.mesh, process.env);
  return { server, target: server.target };
}

/** Opens the dashboard on a separate connection; the mesh also works without it. */
async function openPage(out: Output, { config }: LoadedConfig, target: RedisTarget) {
  const [{ Mesh }, { openDashboard }, { createLogger }] = await Promise.all([
    import('../../client/mesh.ts'),
    import('../open-dashboard.ts'),
    import('../../log/logger.ts'),
  ]);
  const mesh = await Mesh.connect(config, target, { role: 'service', clock: systemClock });
  try {
    // This is a terminal, as for the nodes: the log lines are readable whatever log.format is.
    const log = createLogger({ ...config.log, format: 'pretty' }).child({ name: 'dashboard' });
    const opened = await openDashboard(mesh, config.dashboard, log);
    return { ...opened, close: () => opened.close().finally(() => mesh.close()) };
  } catch (error) {
    await mesh.close();
    out.note(`the dashboard did not start: ${messageOf(error)}`);
    return undefined;
  }
}

/** Waits until the nodes are up, then prints how to continue. */
async function greet(
  command: Command,
  loaded: LoadedConfig,
  target: RedisTarget,
  started: readonly { readonly id: string }[],
  dashboard: Dashboard | undefined,
  stopped: Promise<void>,
): Promise<void> {
  const [{ describeTarget }, { waitForNodes }, { upGreeting }] = await Promise.all([
    import('../../redis/explain.ts'),
    import('../wait-for-nodes.ts'),
    import('../up-greeting.ts'),
  ]);
  const ids = started.map(({ id }) => id);
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  const nodes = await waitForNodes(loaded, target, ids, stopped, systemClock);
  if (isStopped) return;
  const idle = ids.flatMap((id) => {
    const node = nodes.find((other) => other.id === id);
    if (!node) return [{ id, reason: 'it is not up yet; see its log lines above' }];
    const closed = node.gates.filter((gate) => !gate.open);
    return closed.length === 0
      ? []
      : [{ id, reason: closed.map(({ name, reason }) => `${name}: ${reason}`).join('; ') }];
  });
  const text = upGreeting({
    config: loaded.config,
    file: loaded.file,
    namedFile: command.optsWithGlobals().mesh === undefined ? namedConfig(command) : loaded.file,
    modes: ids.map((id) => nodes.find((node) => node.id === id)?.openclaw.mode ?? loaded.config.openclaw.mode),
    idle,
    redis: describeTarget(target),
    dashboardUrl: dashboard?.loginUrl(),
    env: process.env,
  });
  outputOf(command).note(text);
}
