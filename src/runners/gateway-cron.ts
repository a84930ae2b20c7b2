import { isGatewayProtocolResponseError } from '@openclaw/gateway-client';
import * as z from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { CronJob } from '../domain/cron-job.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { GatewayConnection } from './gateway-connection.ts';

/** Longest wait for a connection, ms. A refused connection ends it within `LOOK_MS`. */
const CONNECT_MS = 5_000;
const LOOK_MS = 100;
/** Longest wait for a reply, ms. */
const REPLY_MS = 30_000;
/** Jobs per request; the protocol allows no more. */
const PAGE = 200;
/** More jobs than any gateway has; reading stops with an error. */
const MOST_JOBS = 10_000;

const part = z.looseObject({ kind: z.string() });
const cronJob = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  enabled: z.boolean(),
  schedule: part,
  sessionTarget: z.string(),
  payload: part,
  delivery: z.looseObject({ mode: z.string() }).optional(),
  agentId: z.string().optional(),
  state: z.looseObject({ nextRunAtMs: z.number().optional() }).default({}),
});
const identity = z.object({ deviceId: z.string().min(1) });
const page = z.object({ jobs: z.array(cronJob), hasMore: z.boolean().default(false) });

/** The cron of one OpenClaw gateway. Reading it requires the scope `operator.read`, a change `operator.admin`. */
export class GatewayCron {
  /** Scheme, host and port of the gateway. */
  readonly address: string;
  /** Tells this gateway apart from others, whatever address leads to it. */
  readonly id: string;
  readonly #connection: GatewayConnection;

  private constructor(address: string, id: string, connection: GatewayConnection) {
    this.address = address;
    this.id = id;
    this.#connection = connection;
  }

  /** Connects to a gateway; the caller closes the connection. @throws ClawmeshError `failed`. */
  static async open(gateway: { url: string; token: string | undefined; clock: Clock }): Promise<GatewayCron> {
    const { protocol, host } = new URL(gateway.url);
    const address = `${protocol}//${host}`;
    const connection = new GatewayConnection({ ...gateway, displayName: 'clawmesh cron import' });
    try {
      connection.start();
      await connected(connection, address, gateway.clock);
      const found = identity.safeParse(await request(connection, address, 'gateway.identity.get', {}));
      if (!found.success) throw unusable(address, 'it does not say who it is');
      return new GatewayCron(address, found.data.deviceId, connection);
    } catch (error) {
      await connection.stop();
      throw error;
    }
  }

  /** All jobs, disabled ones included. @throws ClawmeshError `failed`. */
  async list(): Promise<CronJob[]> {
    const jobs: CronJob[] = [];
    for (let more = true; more; ) {
      const params = { includeDisabled: true, limit: PAGE, offset: jobs.length };
      const found = page.safeParse(await request(this.#connection, this.address, 'cron.list', params));
      if (!found.success) throw unusable(this.address, 'it sent cron jobs that clawmesh does not understand');
      jobs.push(...found.data.jobs.map((job) => ({ ...job, nextRunAtMs: job.state.nextRunAtMs })));
      more = found.data.hasMore && found.data.jobs.length > 0;
      if (jobs.length > MOST_JOBS) throw unusable(this.address, `it has more than ${MOST_JOBS} cron jobs`);
    }
    return jobs;
  }

  /** Enables or disables a job; a run under way continues. @throws ClawmeshError `failed`. */
  async setEnabled(id: string, enabled: boolean): Promise<void> {
    await request(this.#connection, this.address, 'cron.update', { id, patch: { enabled } });
  }

  async close(): Promise<void> {
    await this.#connection.stop();
  }
}

async function connected(connection: GatewayConnection, address: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + CONNECT_MS;
  while (connection.lastError === undefined && clock.monotonic() < deadline) {
    if (await connection.ready(LOOK_MS)) return;
  }
  throw unusable(address, connection.lastError ?? 'no answer');
}

async function request(
  connection: GatewayConnection,
  address: string,
  method: string,
  params: object,
): Promise<unknown> {
  try {
    return await connection.client.request(method, params, { timeoutMs: REPLY_MS });
  } catch (error) {
    const refused = isGatewayProtocolResponseError(error) ? `it refused ${method}: ` : '';
    throw unusable(address, `${refused}${messageOf(error)}`, error);
  }
}

function unusable(address: string, why: string, cause?: unknown): ClawmeshError {
  return new ClawmeshError('failed', `the OpenClaw gateway at ${address} can't be used: ${why}`, {
    remedy: 'check openclaw gateway status on that machine, and openclaw.gateway.token',
    cause,
  });
}
