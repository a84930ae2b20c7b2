import { cutText } from '../../src/domain/cut-text.ts';
import { routeOfCommand } from './chat-route.ts';
import { type MeshLink, MeshTrouble } from './mesh-link.ts';
import type { CommandContext } from './plugin-api.ts';
import { isAllowed, type PluginConfig } from './plugin-config.ts';
import { cancel, enqueue, type Reply, show, status } from './requests.ts';

export const HELP = [
  '/mesh status — which Macs are up, and what waits',
  '/mesh run <prompt> — queue a task; its answer arrives here',
  '/mesh task <id> — how far it is, or its answer',
  '/mesh cancel <id>',
].join('\n');

/** `/mesh …`: works without a model. Every problem is one line in the chat. */
export async function meshCommand(
  context: CommandContext,
  { link, config }: { link: MeshLink; config: PluginConfig },
): Promise<{ readonly text: string }> {
  const { channel, senderId: sender, agentId: agent } = context;
  if (!isAllowed({ allowSenders: config.allowSenders }, { channel, sender })) {
    return { text: 'You may not use the mesh (allowSenders in the config of the clawmesh plugin).' };
  }
  const [, word = '', rest = ''] = /^\s*(\S*)\s*(.*)$/s.exec(context.args ?? '') ?? [];
  try {
    return { text: (await answer(word.toLowerCase(), rest.trim(), { context, link, config, agent })).text };
  } catch (error) {
    if (!(error instanceof MeshTrouble)) throw error;
    return { text: error.message };
  }
}

async function answer(
  word: string,
  rest: string,
  {
    context,
    link,
    config,
  }: { context: CommandContext; link: MeshLink; config: PluginConfig; agent: string | undefined },
): Promise<Reply> {
  switch (word) {
    case 'status':
      return link.use(status);
    case 'run': {
      if (rest === '') return say('What should the task do? /mesh run <prompt>');
      const input = { message: rest, ...(config.pool !== undefined && { pool: config.pool }) };
      return link.use((mesh) => enqueue(mesh, input, routeOfCommand(context), { reply: true }));
    }
    case 'task':
    case 'cancel': {
      if (!/^\S+$/.test(rest)) return say(`Which task? /mesh ${word} <id>`);
      if (word === 'task') return link.use((mesh) => show(mesh, rest));
      return link.use((mesh) => cancel(mesh, rest, context.senderId ?? 'a person'));
    }
    case '':
    case 'help':
      return say(HELP);
    default:
      return say(`There is no /mesh ${cutText(word, 40)}.\n${HELP}`);
  }
}

function say(text: string): Reply {
  return { text, details: {} };
}
