import { readFileSync } from 'node:fs';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { pino } from 'pino';
import { expect } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { MeshConnection } from '../../src/ops/mcp/mesh-connection.ts';
import type { McpPolicy } from '../../src/ops/mcp/policy.ts';
import { createMcpServer } from '../../src/ops/mcp/server.ts';
import { systemClock } from '../../src/platform/clock.ts';

/** What a tool returned. */
export interface ToolResult {
  readonly text: string;
  readonly isError: boolean;
  // The documents of the tools differ; tests read what they expect.
  readonly document: Record<string, unknown>;
}

/** A client of an MCP server of this mesh, in this process. */
export interface McpPair {
  readonly client: Client;
  /** What the server has logged, as lines of JSON. */
  readonly log: readonly string[];
  call(name: string, args?: Record<string, unknown>): Promise<ToolResult>;
  close(): Promise<void>;
}

export async function connectMcp(connect: () => Promise<Mesh>, policy: Partial<McpPolicy> = {}): Promise<McpPair> {
  const log: string[] = [];
  const connection = new MeshConnection(connect, systemClock);
  const server = createMcpServer({
    connection,
    clock: systemClock,
    log: pino({}, { write: (line: string) => void log.push(line) }),
    policy: { readOnly: false, pools: [], agents: [], ...policy },
    version: '1.2.3',
  });
  const [serverEnd, clientEnd] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: 'test', version: '1' });
  await Promise.all([server.connect(serverEnd), client.connect(clientEnd)]);
  return {
    client,
    log,
    call: async (name, args = {}) => resultOf(await client.callTool({ name, arguments: args })),
    close: async () => {
      await client.close();
      await connection.close();
    },
  };
}

export function resultOf({ content, structuredContent, isError }: Awaited<ReturnType<Client['callTool']>>): ToolResult {
  const [first] = content;
  return {
    text: first?.type === 'text' ? first.text : '',
    isError: isError === true,
    document: (structuredContent ?? {}) as Record<string, unknown>,
  };
}

const published = JSON.parse(
  readFileSync(new URL('../../docs/reference/schema/json-output.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true }).addSchema(published, 'output');

/** Fails unless the document has the form that this command prints with `--json`; it may have further fields. */
export function expectForm(command: string, document: unknown): void {
  const validate = ajv.getSchema(`output#/$defs/${command.replaceAll(/[ -]+/g, '-')}`) as ValidateFunction | undefined;
  if (!validate) throw new Error(`no schema for ${command}`);
  expect({ command, errors: validate(document) ? [] : validate.errors }).toEqual({ command, errors: [] });
}
