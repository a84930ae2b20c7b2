import type {
  CallToolResult,
  McpServer,
  ServerContext,
  StandardSchemaWithJSON,
  ToolAnnotations,
} from '@modelcontextprotocol/server';
import type { Clock } from '../../domain/clock.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { printable } from '../../domain/terminal-text.ts';
import type { Logger } from '../../log/logger.ts';
import type { MeshConnection } from './mesh-connection.ts';

/** What every tool uses. */
export interface Toolbox {
  readonly connection: MeshConnection;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One call of a tool. */
export interface ToolCall extends Toolbox {
  /** Aborts if the client cancels the call or is gone. */
  readonly signal: AbortSignal;
  /** Reports progress, if the client has asked for it. `elapsedMs`: the time waited so far, ms. */
  readonly progress: (elapsedMs: number, message: string) => void;
}

/** The answer of a tool: a short text for the model, and the same facts for a program. */
export interface ToolAnswer {
  readonly text: string;
  /** A JSON document of the form that the command line prints, with further fields. */
  readonly document: object;
}

/** What a tool may do. Clients decide by it when to ask their user. */
export type Effect = 'reads' | 'enqueues' | 'cancels';

interface ToolDefinition<Args> {
  readonly name: string;
  readonly title: string;
  /** Tells a model when to use the tool, and what it returns. */
  readonly description: string;
  readonly effect: Effect;
  /** Validates the arguments, and describes them to the model. */
  readonly input: StandardSchemaWithJSON<unknown, Args>;
  readonly run: (args: Args, call: ToolCall) => Promise<ToolAnswer>;
}

/** A tool that can be added to a server. */
export interface Tool extends Pick<ToolDefinition<unknown>, 'name' | 'title' | 'description' | 'effect' | 'input'> {
  readonly addTo: (server: McpServer, toolbox: Toolbox) => void;
}

const ANNOTATIONS: Readonly<Record<Effect, ToolAnnotations>> = {
  reads: { readOnlyHint: true, openWorldHint: false },
  // Agents reach the world outside. A task is only queued once per idempotency key, but a call need not have one.
  enqueues: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  cancels: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
};

export function defineTool<Args>(tool: ToolDefinition<Args>): Tool {
  const { name, title, description, effect, input } = tool;
  return {
    name,
    title,
    description,
    effect,
    input,
    addTo: (server, toolbox) => {
      const config = { title, description, inputSchema: input, annotations: ANNOTATIONS[effect] };
      server.registerTool(name, config, (args: Args, context: ServerContext) => {
        const call = callOf(toolbox, context);
        return answered(name, call, () => tool.run(args, call));
      });
    },
  };
}

/** The result for the client; an error becomes one line, since the server continues. */
async function answered(name: string, call: ToolCall, run: () => Promise<ToolAnswer>): Promise<CallToolResult> {
  try {
    const { text, document } = await run();
    return { content: [{ type: 'text', text: printable(text) }], structuredContent: { ...document } };
  } catch (error) {
    // The client reads no result of a call that it has cancelled.
    const isExpected = error instanceof ClawmeshError || call.signal.aborted;
    if (!isExpected) call.log.error({ err: error, tool: name }, 'a tool failed');
    return { content: [{ type: 'text', text: printable(errorLine(error)) }], isError: true };
  }
}

/** The problem and its remedy. */
function errorLine(error: unknown): string {
  if (!(error instanceof ClawmeshError)) return `unexpected error: ${messageOf(error)}`;
  return error.remedy ? `${error.message} (${error.remedy})` : error.message;
}

function callOf(toolbox: Toolbox, { mcpReq }: ServerContext): ToolCall {
  const { signal } = mcpReq;
  const token = mcpReq._meta?.progressToken;
  const progress = (elapsedMs: number, message: string) => {
    if (token === undefined || signal.aborted) return;
    const params = { progressToken: token, progress: Math.round(elapsedMs), message: printable(message) };
    // A client that is gone needs no progress.
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  };
  return { ...toolbox, signal, progress };
}
