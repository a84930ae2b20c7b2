import * as z from 'zod';
import { offeredTools } from '../../src/ops/mcp/server.ts';
import type { Tool } from '../../src/ops/mcp/tool.ts';
import { page, table } from './markdown.ts';

/** The part of a JSON Schema that describes an argument to a reader. */
const argument = z.object({
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  items: z.object({ type: z.string().optional() }).optional(),
  default: z.unknown().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  maxLength: z.number().optional(),
  maxItems: z.number().optional(),
  description: z.string().optional(),
});
const schema = z.object({
  properties: z.record(z.string(), argument).default({}),
  required: z.array(z.string()).default([]),
});

export function mcpPage(): string {
  const tools = offeredTools({ readOnly: false, pools: [], agents: [] });
  return page('MCP tools', 'src/ops/mcp', [
    '`clawmesh mcp` offers these tools to an agent: [how to](../how-to/use-from-an-agent.md).',
    '',
    'Each returns a short text, and `structuredContent` in the form of [JSON output](json.md), with further fields: `cut`',
    'names what was too long, and how to get the rest. An error is one line: what is wrong, and what to do.',
    '',
    ...tools.flatMap(toolLines),
  ]);
}

function toolLines({ name, description, effect, input }: Tool): string[] {
  const { properties, required } = schema.parse(input['~standard'].jsonSchema.input({ target: 'draft-2020-12' }));
  const rows = Object.entries(properties).map(([argumentName, found]) => [
    `\`${argumentName}\`${required.includes(argumentName) && found.default === undefined ? ' (required)' : ''}`,
    typeText(found),
    found.description ?? '',
  ]);
  return [
    `## ${name}`,
    '',
    effect === 'reads' ? `${description} It changes nothing.` : description,
    '',
    ...(rows.length > 0 ? [...table(['argument', 'type', 'meaning'], rows), ''] : []),
  ];
}

function typeText({
  type = 'any',
  enum: choices,
  items,
  minimum,
  maximum,
  maxLength,
  maxItems,
  ...rest
}: z.output<typeof argument>): string {
  const name = choices
    ? choices.map((choice) => `\`${choice}\``).join(', ')
    : items
      ? `${items.type ?? 'any'}[]`
      : type;
  const range = maximum === undefined ? '' : `, ${minimum ?? 0} to ${maximum}`;
  const length = maxLength === undefined ? '' : `, at most ${maxLength} characters`;
  const entries = maxItems === undefined ? '' : `, at most ${maxItems}`;
  const fallback = rest.default === undefined ? '' : `; default ${JSON.stringify(rest.default)}`;
  return `${name}${range}${length}${entries}${fallback}`;
}
