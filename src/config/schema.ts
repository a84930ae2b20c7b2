import * as z from 'zod';
import { ALERT_KINDS } from '../domain/alert.ts';
import { DISPATCH_STRATEGIES } from '../domain/dispatch.ts';
import { MESH_NAME_HINT, POOL_NAME } from '../domain/names.ts';
import { OPENCLAW_MODES } from '../domain/node.ts';
import { duration, integer, secret, settingMeta, size } from './fields.ts';
import { node, nodes, poolName } from './node-settings.ts';
import { redis } from './redis-settings.ts';
import { security } from './security-settings.ts';

const openclaw = z
  .strictObject({
    version: z.string().optional().describe('The pinned OpenClaw version. A node that runs another one is gated.'),
    mode: z
      .enum([...OPENCLAW_MODES, 'auto'], { error: `expected ${OPENCLAW_MODES.join(', ')} or auto` })
      .prefault('auto')
      .describe(
        'How tasks run: through the local `gateway`, as `openclaw agent exec` processes, or only `simulate`d. ' +
          '`auto` takes the gateway if one is ready, else exec if `openclaw` is on PATH, else simulate.',
      ),
    gateway: z
      .strictObject({
        url: z
          .url({ protocol: /^wss?$/, error: 'expected ws://host:port' })
          .register(settingMeta, { secret: 'password' })
          .prefault('ws://127.0.0.1:18789')
          .describe("The gateway on the node's own machine."),
        token: secret().optional().describe('Shared token of the gateway.'),
        restart: z
          .strictObject({
            after: duration('0s').describe('How long it may be in trouble before its job is restarted; 0s for never.'),
            perHour: integer(1, 60).prefault(3).describe('How often at most.'),
            job: z
              .string()
              .min(1)
              .optional()
              .describe('Its launchd label or systemd unit, where that is not what OpenClaw itself installs.'),
          })
          .prefault({})
          .describe('Whether a node brings back a gateway that hangs (`launchctl kickstart -k`).'),
      })
      .prefault({})
      .describe('Used in `gateway` mode.'),
    exec: z
      .strictObject({
        bin: z.string().min(1).prefault('openclaw').describe('The openclaw program: a name on PATH or a path.'),
      })
      .prefault({})
      .describe('Used in `exec` mode.'),
  })
  .prefault({});

const queue = z
  .strictObject({
    visibilityTimeout: duration('10m', { min: '1s', max: '1d' }).describe(
      'How long a claim holds with nobody renewing it.',
    ),
    taskTimeout: duration('30m', { min: '1s', max: '7d' }).describe(
      'Deadline of one attempt, where the task has none.',
    ),
    idleTimeout: duration('10m', { min: '1s', max: '7d' }).describe(
      'How long a run may give no sign of life, where the task says nothing else.',
    ),
    attempts: integer(1, 100).prefault(3).describe('Attempts of a task, where it says nothing else.'),
    backoff: z
      .strictObject({
        delay: duration('5s').describe('Wait before the second attempt; doubles with each further one.'),
        max: duration('5m').describe('Longest wait between attempts.'),
        jitter: z.number().min(0).max(1).prefault(1).describe('Share of the wait that is drawn at random, 0 to 1.'),
      })
      .prefault({})
      .describe('Exponential backoff between attempts.'),
    circuit: z
      .strictObject({
        failures: integer(1, 1_000)
          .prefault(3)
          .describe('Provider errors in a row, of at least two tasks, that stop its tasks in the whole mesh.'),
        minProbeInterval: duration('2s', { min: '100ms' }).describe('Shortest wait before one task may try again.'),
        maxProbeInterval: duration('1m').describe('Longest wait; it grows with the outage, to a twentieth of it.'),
      })
      .prefault({})
      .describe('What to do when a model provider is in trouble.'),
    sessionExchanges: integer(0, 10)
      .prefault(0)
      .describe(
        'How many of its last exchanges a session is told that moves to another node, whose OpenClaw knows nothing of it.',
      ),
    stickyTimeout: duration('30m', { min: '1s', max: '7d' }).describe(
      'How long a task waits for the node of its session, or the one that it would rather run on, if that node is there but ' +
        'does not take it (gated or busy); then any node may run it.',
    ),
    maxHandovers: integer(0, 1_000).prefault(5).describe('Handovers after which a task counts as poison.'),
    retention: z
      .strictObject({
        completed: duration('7d', { min: '1s' }).describe('How long completed tasks are kept.'),
        failed: duration('30d', { min: '1s' }).describe('How long failed and cancelled tasks are kept.'),
        count: integer(1, 100_000_000)
          .prefault(100_000)
          .describe('How many ended tasks of a pool and state are kept at most.'),
        usage: duration('90d', { min: '1d', max: '3650d' }).describe('How long the tokens used on a day are kept.'),
      })
      .prefault({})
      .describe('How long ended tasks, and what they have used, are kept.'),
  })
  .prefault({});

const health = z
  .strictObject({
    heartbeatInterval: duration('5s', { min: '100ms', max: '10m' }).describe("Time between a node's signs of life."),
    missedHeartbeats: integer(1, 100).prefault(3).describe('Missed heartbeats after which a node is dead.'),
    crashGrace: duration('1s', { max: '1m' }).describe(
      'How long a node may be gone from Redis before it counts as crashed.',
    ),
  })
  .prefault({});

const gates = z
  .strictObject({
    minFreeDisk: size('5GB').describe('A node with less free disk takes no tasks.'),
    minFreeMemory: size('0B').describe('A node with less free memory takes no tasks; 0B for no limit.'),
    minBattery: integer(0, 100)
      .prefault(0)
      .describe('A node on battery with less charge (percent) takes no tasks; 0 for no limit.'),
    maxClockSkew: duration('1m', { min: '1s' }).describe('How far a clock may be from Redis time.'),
    clockSkew: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('warn')
      .describe('What to do on a node whose clock is further off.'),
    versionMismatch: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('close')
      .describe('What to do on a node whose OpenClaw is not the pinned version.'),
    configDrift: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('warn')
      .describe('What to do on a node whose config differs from the config of most nodes.'),
  })
  .prefault({});

const dispatch = z
  .strictObject({
    strategy: z
      .enum(DISPATCH_STRATEGIES, { error: `expected ${DISPATCH_STRATEGIES.join(', ')}` })
      .prefault('pull')
      .describe(
        'Who gets a task where more slots are free than tasks wait: the node that asks first (`pull`), each in turn ' +
          '(`round-robin`), or the one with the most room (`least-loaded`).',
      ),
    weights: z
      .record(poolName, integer(1, 1_000), { error: 'expected pools with a weight each, e.g. {urgent: 10}' })
      .prefault({})
      .describe('How many starts a pool gets where pools compete for the slots of `node.maxTasks`; 1 where not given.'),
  })
  .prefault({});

const dashboard = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .prefault('127.0.0.1')
      .describe('Address the dashboard listens on. Any other than this machine itself takes a token.'),
    port: integer(1, 65_535).prefault(7420).describe('Port of the dashboard.'),
    token: secret()
      .prefault('')
      .describe(
        'Token people log in with. Empty for one that is made for each user and machine (`dashboard.token` in the folder of the mesh under `~/.clawmesh`).',
      ),
    readOnly: z
      .boolean('expected true or false')
      .prefault(false)
      .describe('Whether the dashboard only shows the mesh, and steers nothing.'),
  })
  .prefault({});

const alerts = z
  .strictObject({
    webhook: secret()
      .prefault('')
      .describe('Where alerts are posted as JSON, which Slack and the like understand; empty for nowhere.'),
    command: z.string().prefault('').describe('A shell command that gets each alert as JSON on its standard input.'),
    notification: z
      .boolean('expected true or false')
      .prefault(false)
      .describe('Whether the Mac that tells also shows it to whoever sits there.'),
    oldestWaiting: duration('30m').describe(
      'How long a task may be first in line before it is `queue-latency`; 0s for ever.',
    ),
    on: z
      .array(z.enum(ALERT_KINDS, { error: `expected ${ALERT_KINDS.join(', ')}` }))
      .prefault([...ALERT_KINDS])
      .describe('Which kinds of trouble alert.'),
  })
  .prefault({});

const telemetry = z
  .strictObject({
    endpoint: z
      .union([z.literal(''), z.url({ protocol: /^https?$/ })], { error: 'expected http://host:4318 or https://…' })
      .register(settingMeta, { secret: 'password' })
      .prefault('')
      .describe(
        'An OpenTelemetry collector (OTLP over HTTP) that gets a span of each task queued and each run; empty for the one ' +
          'that `OTEL_EXPORTER_OTLP_ENDPOINT` names, if any. Its headers come from `OTEL_EXPORTER_OTLP_HEADERS`.',
      ),
  })
  .prefault({});

const log = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
        error: 'expected trace, debug, info, warn, error or fatal',
      })
      .prefault('info')
      .describe('Least severe level that is logged.'),
    format: z
      .enum(['json', 'pretty'], { error: 'expected json or pretty' })
      .prefault('json')
      .describe('JSON lines for machines, or lines for people.'),
  })
  .prefault({});

/** The only schema of the config file: the source of types, defaults, validation and docs. */
export const configSchema = z
  .strictObject({
    mesh: z
      .string()
      .regex(POOL_NAME, `expected ${MESH_NAME_HINT}`)
      .prefault('local')
      .describe('Name of the mesh; nodes with the same mesh and Redis work together.'),
    redis: redis.optional().describe('The shared queue backend. Leave it out for a private Redis on this machine.'),
    openclaw: openclaw.describe('How this mesh runs OpenClaw.'),
    queue: queue.describe('Limits of tasks and claims.'),
    health: health.describe('When a node counts as dead.'),
    dispatch: dispatch.describe('How tasks are spread over nodes, and a node over its pools.'),
    node: node.describe('Defaults for every node.'),
    nodes: nodes.describe('The inventory, and per-node overrides of `node`.'),
    gates: gates.describe('Conditions under which a node takes no tasks.'),
    dashboard: dashboard.describe('The web page, of `clawmesh dashboard` and of nodes with `node.dashboard`.'),
    alerts: alerts.describe('Who is told of trouble. Each node watches, and one of them tells.'),
    log: log.describe("The daemon's log."),
    security: security.describe('What nodes ask for before they run a task.'),
    telemetry: telemetry.describe('Traces of tasks, across the mesh.'),
  })
  .superRefine((config, ctx) => {
    const deadAfter = config.health.heartbeatInterval * config.health.missedHeartbeats;
    if (deadAfter < 1_000) {
      const message = 'expected at least 1s together with health.missedHeartbeats, or a busy Mac counts as dead';
      ctx.addIssue({ code: 'custom', path: ['health', 'heartbeatInterval'], message });
    }
    if (deadAfter >= config.queue.visibilityTimeout) {
      ctx.addIssue({
        code: 'custom',
        path: ['queue', 'visibilityTimeout'],
        message: 'expected more than health.heartbeatInterval × health.missedHeartbeats, or claims lapse on live nodes',
      });
    }
    if (config.queue.backoff.max < config.queue.backoff.delay) {
      ctx.addIssue({
        code: 'custom',
        path: ['queue', 'backoff', 'max'],
        message: 'expected at least queue.backoff.delay',
      });
    }
  });

/** A validated config with all defaults applied; durations in ms, sizes in bytes. */
export type Config = z.output<typeof configSchema>;
export type RedisConfig = NonNullable<Config['redis']>;
