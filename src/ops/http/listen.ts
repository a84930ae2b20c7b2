import { isIPv4 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';

/** Whether a listen address is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/**
 * Listens. @returns the URL to open.
 *
 * @throws ClawmeshError `config` if other machines could reach it without a token; `failed` if it can't listen.
 */
export async function listen(
  app: FastifyInstance,
  options: { host: string; port: number; token: string; setting: string },
): Promise<string> {
  const { host, port, token, setting } = options;
  if (token === '' && !isLoopback(host)) {
    throw new ClawmeshError(
      'config',
      `${setting} is ${host}, which other machines can reach, but dashboard.token is not set`,
      {
        remedy: 'set dashboard.token (for example to ${CLAWMESH_DASHBOARD_TOKEN}), or listen on 127.0.0.1',
      },
    );
  }
  const name = host.includes(':') ? `[${host}]` : host;
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new ClawmeshError('failed', `can't listen on ${name}:${port} (${setting}): ${messageOf(error)}`, {
      remedy: 'free the port, or choose another one',
    });
  }
  const address = app.server.address();
  return `http://${name}:${typeof address === 'object' && address ? address.port : port}/`;
}
