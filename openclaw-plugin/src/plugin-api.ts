/**
 * The part of OpenClaw's plugin API that this plugin uses, as OpenClaw 2026.9.6 documents it (docs/plugins). OpenClaw
 * itself is too large to be a dependency; a test runs the plugin in the real one.
 */

/** Where OpenClaw would deliver the answer of the current turn. */
export interface DeliveryContext {
  readonly channel?: string | undefined;
  readonly to?: string | undefined;
  readonly accountId?: string | undefined;
  readonly threadId?: string | number | undefined;
}

/** The context of a turn in which an agent may call a tool. */
export interface ToolContext {
  readonly agentId?: string | undefined;
  readonly sessionKey?: string | undefined;
  readonly messageChannel?: string | undefined;
  readonly deliveryContext?: DeliveryContext | undefined;
  readonly requesterSenderId?: string | undefined;
  readonly sandboxed?: boolean | undefined;
  /** A CLI run that must release everything before it exits. */
  readonly oneShotCliRun?: boolean | undefined;
}

export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  /** Must not contain `status`, `ok`, `success`, `error`, `timedOut` or `exitCode`: OpenClaw grades the call by them. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Tool {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  /** JSON Schema. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly execute: (toolCallId: string, params: unknown) => Promise<ToolResult>;
}

/** The context of a slash command. */
export interface CommandContext {
  readonly channel: string;
  readonly senderId?: string | undefined;
  readonly isAuthorizedSender: boolean;
  readonly agentId?: string | undefined;
  readonly sessionKey?: string | undefined;
  /** What follows the name of the command. */
  readonly args?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly accountId?: string | undefined;
  readonly messageThreadId?: string | number | undefined;
}

export interface PluginApi {
  /** The plugin's entry in OpenClaw's config. */
  readonly pluginConfig?: unknown;
  registerTool(factory: (context: ToolContext) => Tool | null, options: { readonly name: string }): void;
  registerCommand(command: {
    readonly name: string;
    readonly description: string;
    readonly acceptsArgs: boolean;
    readonly requireAuth: boolean;
    readonly handler: (context: CommandContext) => Promise<{ readonly text: string }>;
  }): void;
}
