import * as z from 'zod';
import { ALERT_KINDS } from '../domain/alert.ts';
import { DISPATCH_STRATEGIES } from '../domain/dispatch.ts';
import { MESH_NAME_HINT, POOL_NAME } from '../domain/names.ts';
import { OPENCLAW_MODES } from '../domain/node.ts';
import { dashboard } from './dashboard-settings.ts';
import { duration, integer, secret, settingMeta, size } from './fields.ts';
import { hooks } from './hook-settings.ts';
import { node, nodes, poolName } from './node-settings.ts';
import { redis } from './redis-settings.ts';
import { security } from './security-settings.ts';

const openclaw = z
  .strictObject({
    version: z
      .string()
      .optional()
      .describe(
        'The OpenClaw version that all nodes must run, such as `2026.9.6`. `gates.versionMismatch` decides what ' +
          'happens on a node with another version. Without it, any version is accepted.',
      ),
    mode: z
      .enum([...OPENCLAW_MODES, 'auto'], { error: `expected ${OPENCLAW_MODES.join(', ')} or auto` })
      .prefault('auto')
      .describe(
        "How tasks run. `gateway`: through the OpenClaw gateway on the node's own machine. `exec`: as one `openclaw " +
          'agent exec` process per task. `simulate`: without OpenClaw. `auto` chooses `gateway` if one is ready, else ' +
          '`exec` if `openclaw.exec.bin` is found, else `simulate`.',
      ),
    gateway: z
      .strictObject({
        url: z
          .url({ protocol: /^wss?$/, error: 'expected ws://host:port' })
          .register(settingMeta, { secret: 'password' })
          .prefault('ws://127.0.0.1:18789')
          .describe("WebSocket address of the gateway on the node's own machine."),
        token: secret()
          .optional()
          .describe('Shared token of the gateway. Take it from the environment: `${OPENCLAW_GATEWAY_TOKEN}`.'),
        restart: z
          .strictObject({
            after: duration('0s').describe(
              'How long the gateway must be unhealthy before the node restarts its job; 0s disables restarts.',
            ),
            perHour: integer(1, 60)
              .prefault(3)
              .describe(
                'Maximum number of restarts per hour. After that, the node logs an error and leaves the gateway to an ' +
                  'operator.',
              ),
            job: z
              .string()
              .min(1)
              .optional()
              .describe(
                'launchd label or systemd unit of the gateway. Set it if the gateway does not run under the job that OpenClaw ' +
                  'installs.',
              ),
          })
          .prefault({})
          .describe(
            'Restart of a gateway that stays unhealthy (`launchctl kickstart -k`, or `systemctl --user restart`).',
          ),
      })
      .prefault({})
      .describe('Settings for `gateway` mode.'),
    exec: z
      .strictObject({
        bin: z.string().min(1).prefault('openclaw').describe('The `openclaw` program: a name on PATH, or a path.'),
      })
      .prefault({})
      .describe('Settings for `exec` mode.'),
  })
  .prefault({});

const queue = z
  .strictObject({
    visibilityTimeout: duration('10m', { min: '1s', max: '1d' }).describe(
      'How long a claim lasts without renewal. This is the last resort, since missed heartbeats reveal a dead node ' +
        'much earlier. Must exceed `health.heartbeatInterval` × `health.missedHeartbeats`.',
    ),
    taskTimeout: duration('30m', { min: '1s', max: '7d' }).describe(
      'Deadline of one attempt, for tasks without their own (`--timeout`).',
    ),
    idleTimeout: duration('10m', { min: '1s', max: '7d' }).describe(
      'How long a run may be silent (no output, no progress) before the node stops it, for tasks without their own ' +
        'limit (`--idle-timeout`). Raise it for agents that work silently for long.',
    ),
    attempts: integer(1, 100)
      .prefault(3)
      .describe('Maximum number of attempts, for tasks without their own (`--attempts`). Handovers use up no attempt.'),
    backoff: z
      .strictObject({
        delay: duration('5s').describe(
          'Wait before the second attempt. It doubles with each further attempt, up to `max`.',
        ),
        max: duration('5m').describe('Longest wait between attempts.'),
        jitter: z
          .number()
          .min(0)
          .max(1)
          .prefault(1)
          .describe(
            'Random share of each wait, from 0 to 1. With 0, each wait has its full length; with 1, any length up to ' +
              'that.',
          ),
      })
      .prefault({})
      .describe('Exponential backoff between the attempts of a task.'),
    circuit: z
      .strictObject({
        failures: integer(1, 1_000)
          .prefault(3)
          .describe(
            'Consecutive provider errors, from at least two tasks, that open the circuit. A rate limit, or an outage that ' +
              'the provider reports itself, opens it at once.',
          ),
        minProbeInterval: duration('2s', { min: '100ms' }).describe(
          'Shortest wait between probes. A probe is the one task that checks whether the provider has recovered.',
        ),
        maxProbeInterval: duration('1m').describe(
          'Longest wait between probes. The wait is a twentieth of the outage so far, within these limits; it is longer ' +
            'if the provider asks for that.',
        ),
      })
      .prefault({})
      .describe(
        'When the circuit of a failing model provider opens. While it is open, the whole mesh holds the tasks of that ' +
          'provider.',
      ),
    sessionExchanges: integer(0, 10)
      .prefault(0)
      .describe(
        'How many of its last exchanges clawmesh quotes in the prompt when a session moves to a node whose OpenClaw ' +
          'has no transcript of it. 0 quotes none.',
      ),
    stickyTimeout: duration('30m', { min: '1s', max: '7d' }).describe(
      'How long a task waits for the sticky node of its session, or for the node that it prefers, if that node is ' +
        'present but does not claim it (gated or busy). After that, any other node may run it.',
    ),
    maxHandovers: integer(0, 1_000)
      .prefault(5)
      .describe(
        'How often a task may be lost with its node before it fails for good (`handover_limit`), because it may be ' +
          'what kills the nodes. Tasks that a node releases, for example in a drain, are not lost.',
      ),
    retention: z
      .strictObject({
        completed: duration('7d', { min: '1s' }).describe('How long completed tasks are kept.'),
        failed: duration('30d', { min: '1s' }).describe('How long failed and cancelled tasks are kept.'),
        count: integer(1, 100_000_000)
          .prefault(100_000)
          .describe(
            'Maximum number of ended tasks to keep per pool: of completed tasks, and of failed and cancelled tasks ' +
              'together. The oldest are removed first.',
          ),
        usage: duration('90d', { min: '1d', max: '3650d' }).describe(
          'How long the daily totals of used tokens are kept.',
        ),
      })
      .prefault({})
      .describe('How long ended tasks and usage totals are kept.'),
  })
  .prefault({});

const health = z
  .strictObject({
    heartbeatInterval: duration('5s', { min: '100ms', max: '10m' }).describe(
      'Time between the heartbeats of a node. Lower it to notice dead Macs sooner, at the price of more requests to ' +
        'Redis.',
    ),
    missedHeartbeats: integer(1, 100)
      .prefault(3)
      .describe(
        'Missed heartbeats after which a node is dead and the mesh requeues its tasks. Raise it if healthy nodes are ' +
          'declared dead.',
      ),
    crashGrace: duration('1s', { max: '1m' }).describe(
      "How long a node's connection to Redis may be gone before the node counts as crashed. Raise it if short " +
        'network failures cause handovers.',
    ),
  })
  .prefault({});

const gates = z
  .strictObject({
    minFreeDisk: size('5GB').describe('Free disk space below which a node claims no tasks.'),
    minFreeMemory: size('0B').describe('Free memory below which a node claims no tasks; 0B disables the check.'),
    minBattery: integer(0, 100)
      .prefault(0)
      .describe('Battery charge (percent) below which a node on battery claims no tasks; 0 disables the check.'),
    maxClockSkew: duration('1m', { min: '1s' }).describe(
      "Largest accepted difference between a node's clock and Redis time.",
    ),
    clockSkew: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('warn')
      .describe(
        'What happens on a node whose clock differs by more: `close` stops it from claiming tasks, `warn` only ' +
          'reports it.',
      ),
    versionMismatch: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('close')
      .describe(
        'What happens on a node whose OpenClaw is not the pinned version: `close` stops it from claiming tasks, ' +
          '`warn` only reports it.',
      ),
    configDrift: z
      .enum(['close', 'warn'], { error: 'expected close or warn' })
      .prefault('warn')
      .describe(
        'What happens on a node whose config differs from the config of most nodes: `close` stops it from claiming ' +
          'tasks, `warn` only reports it.',
      ),
  })
  .prefault({});

const dispatch = z
  .strictObject({
    strategy: z
      .enum(DISPATCH_STRATEGIES, { error: `expected ${DISPATCH_STRATEGIES.join(', ')}` })
      .prefault('pull')
      .describe(
        'Which node gets a task when more slots are free than tasks wait: the first node that asks (`pull`), each ' +
          'node in turn (`round-robin`), or the least loaded node (`least-loaded`).',
      ),
    weights: z
      .record(poolName, integer(1, 1_000), { error: 'expected pools, each with a weight, e.g. {urgent: 10}' })
      .prefault({})
      .describe(
        'Relative share of starts that each pool gets when pools compete for the slots of `node.maxTasks`, such as ' +
          '`{urgent: 10}`. Other pools have weight 1.',
      ),
  })
  .prefault({});

const alerts = z
  .strictObject({
    webhook: secret()
      .prefault('')
      .describe(
        'URL that alerts are posted to as JSON, in a form that Slack and compatible services display. Empty disables ' +
          'it.',
      ),
    command: z
      .string()
      .prefault('')
      .describe('Shell command that runs for each alert, with the alert as JSON on standard input. Empty disables it.'),
    notification: z
      .boolean('expected true or false')
      .prefault(false)
      .describe('Whether the Mac that sends an alert also shows it as a notification on its own screen.'),
    oldestWaiting: duration('30m').describe(
      'Alert `queue-latency` when the oldest waiting task of a pool has waited for longer than this; 0s disables ' +
        'it.',
    ),
    on: z
      .array(z.enum(ALERT_KINDS, { error: `expected ${ALERT_KINDS.join(', ')}` }))
      .prefault([...ALERT_KINDS])
      .describe('Kinds of alerts to send.'),
  })
  .prefault({});

const delivery = z
  .strictObject({
    webhookSecret: secret()
      .prefault('')
      .describe(
        'Key that signs the answers posted to webhooks (header `clawmesh-signature`). If it is empty, they are not ' +
          'signed.',
      ),
    giveUpAfter: duration('24h').describe(
      'How long nodes try to send the answer of a task to its recipient. After that, the delivery has failed.',
    ),
  })
  .prefault({});

const telemetry = z
  .strictObject({
    endpoint: z
      .union([z.literal(''), z.url({ protocol: /^https?$/ })], { error: 'expected http://host:4318 or https://…' })
      .register(settingMeta, { secret: 'password' })
      .prefault('')
      .describe(
        'OpenTelemetry collector (OTLP over HTTP) that receives a span for each enqueued task and each run. If it is ' +
          'empty, `OTEL_EXPORTER_OTLP_ENDPOINT` applies. `OTEL_EXPORTER_OTLP_HEADERS` sets the headers.',
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
      .describe('`json`: JSON lines for programs. `pretty`: lines for people.'),
  })
  .prefault({});

/** The only schema of the config file: the source of types, defaults, validation and docs. */
export const configSchema = z
  .strictObject({
    mesh: z
      .string()
      .regex(POOL_NAME, `expected ${MESH_NAME_HINT}`)
      .prefault('local')
      .describe('Name of the mesh. Nodes with the same mesh name and the same Redis work together.'),
    redis: redis
      .optional()
      .describe('The Redis that all nodes share. Leave it out to use a private Redis on this machine (`clawmesh up`).'),
    openclaw: openclaw.describe('How this mesh runs OpenClaw.'),
    queue: queue.describe('Limits for tasks and claims.'),
    health: health.describe('When a node counts as dead.'),
    dispatch: dispatch.describe('How tasks are spread over nodes, and the slots of a node over its pools.'),
    node: node.describe('Defaults for every node.'),
    nodes: nodes.describe(
      'The inventory: all nodes of the mesh, with per-node overrides of `node`. Settings that differ between nodes ' +
        'belong here.',
    ),
    gates: gates.describe('Conditions under which a node claims no tasks.'),
    dashboard: dashboard.describe('The web page that `clawmesh dashboard` serves, as do nodes with `node.dashboard`.'),
    hooks: hooks.describe(
      'Requests of other services that queue tasks: the dashboard accepts `POST /api/v1/hooks/<name>` with a signature.',
    ),
    alerts: alerts.describe('Where alerts go. All nodes watch the mesh, and one of them sends each alert.'),
    delivery: delivery.describe('How answers reach the recipients that tasks name (`enqueue --deliver`).'),
    log: log.describe("The daemon's log."),
    security: security.describe('Which tasks the nodes trust.'),
    telemetry: telemetry.describe('Traces of tasks across the mesh.'),
  })
  .superRefine((config, ctx) => {
    const deadAfter = config.health.heartbeatInterval * config.health.missedHeartbeats;
    if (deadAfter < 1_000) {
      const message =
        'expected health.heartbeatInterval × health.missedHeartbeats to be at least 1s, or busy Macs count as dead';
      ctx.addIssue({ code: 'custom', path: ['health', 'heartbeatInterval'], message });
    }
    if (deadAfter >= config.queue.visibilityTimeout) {
      ctx.addIssue({
        code: 'custom',
        path: ['queue', 'visibilityTimeout'],
        message:
          'expected more than health.heartbeatInterval × health.missedHeartbeats, or the claims of live nodes lapse',
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
