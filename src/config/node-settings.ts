import * as z from 'zod';
import { ClawmeshError } from '../domain/errors.ts';
import {
  LABEL_HINT,
  LABEL_NAME,
  LABEL_VALUE,
  NODE_ID,
  NODE_ID_HINT,
  OPENCLAW_NAME,
  POOL_NAME,
  POOL_NAME_HINT,
} from '../domain/names.ts';
import { duration, durationText, integer, settingMeta } from './fields.ts';

export const poolName = z.string().regex(POOL_NAME, `expected ${POOL_NAME_HINT}`);
const pools = z
  .record(poolName, integer(1, 1_000), { error: 'expected pools, each with a concurrency, e.g. {default: 2}' })
  .refine((value) => Object.keys(value).length > 0, 'expected at least one pool, e.g. {default: 2}');

const maxTasks = integer(1, 1_000);

/** `host:port`, IPv6 in brackets. */
const listen = z
  .string('expected host:port')
  .regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+):\d{1,5}$/, 'expected host:port, e.g. 127.0.0.1:7421')
  .transform((text, ctx): { host: string; port: number } => {
    const [, host = '', port] = /^(.*):(\d+)$/.exec(text) ?? [];
    if (Number(port) > 65_535) {
      ctx.issues.push({ code: 'custom', message: 'expected a port from 0 to 65535', input: text });
      return z.NEVER;
    }
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
  });

const passedOn = z.string().regex(OPENCLAW_NAME, 'expected the name of an agent or a model');
const allow = z.strictObject({
  agents: z
    .array(passedOn)
    .optional()
    .describe('Agents that a node may run. `main` stands for tasks that name no agent.'),
  models: z
    .array(passedOn)
    .optional()
    .describe(
      'Models that tasks may name. Tasks that name no model are allowed, and run with the model of their agent.',
    ),
});

const nodeSettings = {
  pools: pools
    .prefault({ default: 2 })
    .describe('Pools that a node serves, and how many tasks of each pool it runs at once.'),
  maxTasks: maxTasks
    .optional()
    .describe(
      'Maximum number of tasks that a node runs at once, in all its pools together. Without it, the sum of its ' +
        'pools applies.',
    ),
  drainTimeout: duration('5m').describe(
    'How long a stopping or draining node waits for its runs before it releases their tasks.',
  ),
  keepAwake: z
    .boolean('expected true or false')
    .prefault(true)
    .describe('Whether a node keeps its Mac from idle sleep (`caffeinate -i`) while it runs tasks.'),
  allow: allow
    .optional()
    .describe('The only agents and models that a node may run. Other tasks wait for a node that may run them.'),
  listen: listen
    .optional()
    .describe(
      'Address (`host:port`) where a node serves `/healthz`, `/readyz` and `/metrics`. Without it, the node serves ' +
        'none of them.',
    ),
  dashboard: z
    .boolean('expected true or false')
    .prefault(false)
    .describe('Whether a node also serves the dashboard, at `dashboard.host` and `dashboard.port`.'),
};

/** Defaults for every node. */
export const node = z.strictObject(nodeSettings).prefault({});
const LABEL_ERROR = `expected ${LABEL_HINT}`;
const nodeOverride = z
  .strictObject({
    pools: pools.optional().describe('Replaces `node.pools` on this node.'),
    maxTasks: maxTasks.optional().describe('Replaces `node.maxTasks` on this node.'),
    drainTimeout: durationText().optional().describe('Replaces `node.drainTimeout` on this node.'),
    labels: z
      .record(
        z.string().regex(LABEL_NAME, LABEL_ERROR),
        z.string(LABEL_ERROR).regex(LABEL_VALUE, LABEL_ERROR),
        LABEL_ERROR,
      )
      .optional()
      .describe('Labels of the node, such as `{xcode: "26"}`. Tasks can require them with `--require`.'),
    keepAwake: z.boolean('expected true or false').optional().describe('Replaces `node.keepAwake` on this node.'),
    allow: allow.optional().describe('Replaces `node.allow` on this node.'),
    listen: listen.optional().describe('Replaces `node.listen` on this node.'),
    dashboard: z.boolean('expected true or false').optional().describe('Replaces `node.dashboard` on this node.'),
  })
  .nullable()
  .transform((value) => value ?? {})
  .describe('A node, by its id. It may be empty.');

/** The inventory. */
export const nodes = z
  .record(z.string().regex(NODE_ID, `expected ${NODE_ID_HINT}`), nodeOverride)
  .prefault({})
  .register(settingMeta, { local: true });

interface NodeSettings {
  readonly node: z.output<typeof node>;
  readonly nodes: z.output<typeof nodes>;
}

export interface NodeConfig extends Readonly<NodeSettings['node']> {
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The settings of one node: the mesh's defaults, overridden by the node's own settings.
 *
 * @throws ClawmeshError `config` if the inventory has the node's name only in a different case.
 */
export function nodeConfig(config: NodeSettings, nodeId: string): NodeConfig {
  const own = config.nodes[nodeId] ?? {};
  const alike = Object.keys(config.nodes).find((id) => id.toLowerCase() === nodeId.toLowerCase());
  if (alike !== undefined && !Object.hasOwn(config.nodes, nodeId)) {
    throw new ClawmeshError(
      'config',
      `the id of this node is ${nodeId}, but the inventory (nodes) has ${alike}: node ids are case-sensitive`,
      {
        remedy: 'use the same spelling in both places; CLAWMESH_NODE_ID sets the id of this machine',
      },
    );
  }
  return {
    pools: own.pools ?? config.node.pools,
    maxTasks: own.maxTasks ?? config.node.maxTasks,
    drainTimeout: own.drainTimeout ?? config.node.drainTimeout,
    keepAwake: own.keepAwake ?? config.node.keepAwake,
    listen: own.listen ?? config.node.listen,
    dashboard: own.dashboard ?? config.node.dashboard,
    allow: own.allow ?? config.node.allow,
    labels: own.labels ?? {},
  };
}
