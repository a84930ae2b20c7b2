import { meshCommand } from './command.ts';
import { MeshLink } from './mesh-link.ts';
import type { PluginApi } from './plugin-api.ts';
import { isAllowed, readPluginConfig } from './plugin-config.ts';
import { createTool, TOOL_NAMES } from './tools.ts';

/** The entry that OpenClaw loads: four tools for agents, and a slash command that needs no model. */
export default {
  id: 'clawmesh',
  name: 'clawmesh',
  description: 'Queues tasks in a clawmesh: any Mac runs them, and the answer returns to the chat',
  register(api: PluginApi): void {
    const config = readPluginConfig(api.pluginConfig);
    const link = new MeshLink(config.config);
    for (const name of TOOL_NAMES) {
      api.registerTool(
        (context) => {
          const { agentId: agent, messageChannel, deliveryContext, requesterSenderId: sender } = context;
          const channel = deliveryContext?.channel ?? messageChannel;
          // A sandboxed agent must not reach other Macs.
          if (context.sandboxed || !isAllowed(config, { agent, channel, sender })) return null;
          return createTool(name, link, context, config);
        },
        { name },
      );
    }
    api.registerCommand({
      name: 'mesh',
      description: 'Queue a task for any Mac, or look at the mesh: status, run, task, cancel',
      acceptsArgs: true,
      requireAuth: true,
      handler: (context) => meshCommand(context, { link, config }),
    });
  },
};
