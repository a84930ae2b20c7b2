import { Command, InvalidArgumentError, Option } from 'commander';
import { OPENCLAW_NAME } from '../../domain/names.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { poolOption } from '../options.ts';
import { onStopSignals } from '../signals.ts';
import { packageVersion } from '../version.ts';

interface McpOptions {
  readOnly?: boolean;
  pool?: string[];
  agent?: string[];
}

export function mcpCommand(): Command {
  return new Command('mcp')
    .description('offer the mesh to an AI agent as MCP tools, on stdin and stdout')
    .addOption(new Option('--read-only', 'offer only the tools that change nothing').conflicts(['pool', 'agent']))
    .option(
      '--pool <pool>',
      'let the agent queue and cancel only tasks of this pool; repeatable, the first is its default',
      (text, pools: string[] = []) => [...pools, poolOption(text)],
    )
    .option(
      '--agent <id>',
      'let the agent queue and cancel only tasks of this OpenClaw agent; repeatable, the first is its default',
      agentOption,
    )
    .addHelpText(
      'after',
      example(
        'openclaw mcp add clawmesh --command clawmesh --arg mcp',
        'claude mcp add clawmesh -- clawmesh mcp --pool default',
        'clawmesh mcp --read-only',
      ),
    )
    .action(mcp);
}

function agentOption(text: string, agents: string[] = []): string[] {
  if (!OPENCLAW_NAME.test(text)) throw new InvalidArgumentError('Expected an agent id.');
  return [...agents, text];
}

async function mcp({ readOnly = false, pool = [], agent = [] }: McpOptions, command: Command): Promise<void> {
  const { config } = await loadedConfig(command);
  const [{ Mesh }, { redisTarget }, { MeshConnection }, { serveOnStdio }, { createLogger }] = await Promise.all([
    import('../../client/mesh.ts'),
    import('../../redis/target.ts'),
    import('../../ops/mcp/mesh-connection.ts'),
    import('../../ops/mcp/stdio.ts'),
    import('../../log/logger.ts'),
  ]);
  const log = createLogger({ ...config.log, ...(process.stderr.isTTY && { format: 'pretty' as const }) });
  const connect = () => Mesh.connect(config, redisTarget(config, process.env), { role: 'service', clock: systemClock });
  const connection = new MeshConnection(connect, systemClock);
  const server = serveOnStdio({
    connection,
    clock: systemClock,
    log,
    policy: { readOnly, pools: pool, agents: agent },
    version: packageVersion(),
  });
  if (process.stdin.isTTY) outputOf(command).note('waiting for an MCP client on stdin; Ctrl-C ends');
  const undo = onStopSignals(() => void server.close());
  try {
    await server.closed;
  } finally {
    undo();
    await connection.close();
  }
}
