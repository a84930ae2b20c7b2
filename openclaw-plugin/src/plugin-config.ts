import * as z from 'zod';

const pluginConfig = z.strictObject({
  config: z.string().optional(),
  pool: z.string().optional(),
  allowAgents: z.array(z.string()).optional(),
  allowSenders: z.array(z.string()).optional(),
});

/** See openclaw.plugin.json, whose schema OpenClaw checks first. */
export type PluginConfig = z.infer<typeof pluginConfig>;

/** @throws Error if OpenClaw passes something else than the schema of the manifest allows. */
export function readPluginConfig(value: unknown): PluginConfig {
  return pluginConfig.parse(value ?? {});
}

/** The agent and the sender of a request. */
export interface Requester {
  readonly agent?: string | undefined;
  readonly channel?: string | undefined;
  readonly sender?: string | undefined;
}

/** Whether the config lets this agent and this sender use the mesh. */
export function isAllowed(
  { allowAgents, allowSenders }: Pick<PluginConfig, 'allowAgents' | 'allowSenders'>,
  { agent, channel, sender }: Requester,
): boolean {
  if (allowAgents && (agent === undefined || !allowAgents.includes(agent))) return false;
  return !allowSenders || (sender !== undefined && allowSenders.includes(`${channel ?? ''}:${sender}`));
}
