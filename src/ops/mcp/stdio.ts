import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { messageOf } from '../../domain/errors.ts';
import { createMcpServer, type McpSettings } from './server.ts';

/** A server on stdin and stdout. */
export interface StdioServer {
  /** Resolves once the client has closed its end, or {@link StdioServer.close} was called. */
  readonly closed: Promise<void>;
  /** Ends the calls under way and the connection to the client. */
  readonly close: () => Promise<void>;
}

/** Serves one client on stdin and stdout, which carry nothing else. */
export function serveOnStdio(settings: McpSettings): StdioServer {
  const { log } = settings;
  const transport = new StdioServerTransport();
  const closed = Promise.withResolvers<void>();
  const { close } = serveStdio(() => createMcpServer(settings), {
    transport,
    onerror: (error) => log.warn({ reason: messageOf(error) }, 'MCP error'),
  });
  const end = transport.onclose;
  transport.onclose = () => {
    end?.();
    closed.resolve();
  };
  return { closed: closed.promise, close };
}
