import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { GatewayConnection } from './gateway-connection.ts';

/**
 * A gateway that was killed resumes its interrupted turns by itself: seen 4 to 10 s after it was ready (FACTS.md). Ours are
 * looked for until it has been up for this long, ms.
 */
const RECOVERY_MS = 20_000;
const PASS_MS = 1_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Sessions without a sign of life for longer have nothing to be resumed, minutes. */
const ACTIVE_MINUTES = 24 * 60;
const LIST_LIMIT = 500;

/** Sessions of ours begin so; OpenClaw puts the agent in front. */
export const SESSION_PREFIX = 'clawmesh:';

const sessionList = z.object({ sessions: z.array(z.object({ key: z.string() })) });

/**
 * Stops every run of ours in the gateway whose session is not `held`: left over from a daemon that is gone, or resumed by
 * OpenClaw after its task had been given to another node.
 *
 * @returns the sessions in which something was stopped.
 */
export async function stopLeftovers(connection: GatewayConnection, held: ReadonlySet<string>): Promise<string[]> {
  const stopped: string[] = [];
  const greeting = connection.hello;
  if (!greeting) return stopped;
  const connectedAt = performance.now();
  do {
    for (const key of await ownSessions(connection)) {
      if (!held.has(shortKey(key)) && (await abortSession(connection, key))) stopped.push(shortKey(key));
    }
    if (greeting.uptimeMs + performance.now() - connectedAt > RECOVERY_MS) break;
    await sleep(PASS_MS);
  } while (connection.hello === greeting);
  return stopped;
}

/** Aborts whatever runs in the session, under whichever run id; false where nothing does. */
export async function abortSession(connection: GatewayConnection, key: string): Promise<boolean> {
  const reply = await connection.client.request('sessions.abort', { key }, { timeoutMs: REQUEST_TIMEOUT_MS });
  return z.object({ status: z.literal('aborted') }).safeParse(reply).success;
}

async function ownSessions(connection: GatewayConnection): Promise<string[]> {
  const reply = await connection.client.request(
    'sessions.list',
    { activeMinutes: ACTIVE_MINUTES, limit: LIST_LIMIT, sortBy: 'updatedAt' },
    { timeoutMs: REQUEST_TIMEOUT_MS },
  );
  const { sessions } = sessionList.parse(reply);
  return sessions.map(({ key }) => key).filter((key) => shortKey(key).startsWith(SESSION_PREFIX));
}

/** The key as we gave it: `agent:<agent>:` taken off. */
function shortKey(key: string): string {
  return key.replace(/^agent:[^:]+:/, '');
}
