import { createConnection } from 'node:net';

/** A server that refuses a connection says so at once or not at all, ms. */
const WAIT_MS = 500;

/**
 * What the server says before it hangs up on somebody who says nothing: that it has too many clients, or is in
 * protected
 * mode. A client that has sent its first command by then mostly loses that line to the reset of the connection.
 * Undefined where it says nothing.
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
