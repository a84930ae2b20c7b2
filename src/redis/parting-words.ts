import { createConnection } from 'node:net';
import type { RedisTarget } from './connection.ts';

/** A server that refuses a connection says so at once or not at all, ms. */
const WAIT_MS = 500;

/**
 * What the server says before it hangs up on somebody who says nothing: that it has too many clients, or is in protected
 * mode. A client that has sent its first command by then mostly loses that line to the reset of the connection.
 * Undefined where it says nothing, and where a plain connection would tell nothing (TLS, Sentinels).
 */
export async function partingWords(target: RedisTarget): Promise<string | undefined> {
  if (target.kind === 'private' || !target.config.url?.startsWith('redis:') || target.config.tls) return undefined;
  const { hostname, port } = new URL(target.config.url);
  const socket = createConnection({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 6379) });
  const { promise: heard, resolve } = Promise.withResolvers<string | undefined>();
  socket.setEncoding('utf8').setTimeout(WAIT_MS, () => resolve(undefined));
  socket.once('data', (text: string) => resolve(text.split('\r\n')[0]));
  socket.once('error', () => resolve(undefined)).once('close', () => resolve(undefined));
  try {
    return await heard;
  } finally {
    socket.destroy();
  }
}
