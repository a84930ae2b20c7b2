import { createConnection } from 'node:net';

/** How long to wait for the server's refusal, ms. A server that refuses a connection says so at once or not at all. */
const WAIT_MS = 500;

/**
 * The message with which the server closes a silent connection: too many clients, or protected mode. A client that has
 * already sent a command mostly loses this message to the connection reset. Undefined if the server sends none.
 */
export async function connectionRefusal(host: string, port: number): Promise<string | undefined> {
  const socket = createConnection({ host, port });
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
