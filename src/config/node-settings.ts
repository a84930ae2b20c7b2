import { z } from 'zod';
import {
  LABEL_HINT,
  LABEL_NAME,
  LABEL_VALUE,
  NODE_ID,
  NODE_ID_HINT,
  POOL_NAME,
  POOL_NAME_HINT,
} from '../domain/names.ts';
import { duration, durationText, integer, settingMeta } from './fields.ts';

/** The name of a pool. */
export const poolName = z.string().regex(POOL_NAME, `expected ${POOL_NAME_HINT}`);
const pools = z
  .record(poolName, integer(1, 1_000), { error: 'expected pools with a concurrency each, e.g. {default: 2}' })
  .refine((value) => Object.keys(value).length > 0, 'expected at least one pool, e.g. {default: 2}');

const maxTasks = integer(1, 1_000);

const nodeSettings = {
  pools: pools.prefault({ default: 2 }).describe('Pools a node serves, with the number of tasks at once in each.'),
  maxTasks: maxTasks
    .optional()
    .describe('Tasks at once on a node, of all its pools together; without it as many as the pools add up to.'),
  drainTimeout: duration('5m').describe('How long a stopping node waits for its runs before it hands them back.'),
  keepAwake: z
    .boolean('expected true or false')
    .prefault(true)
    .describe('Whether a Mac is kept from idle sleep (`caffeinate -i`) while it runs tasks.'),
};

/** Defaults for every node. */
export const node = z.strictObject(nodeSettings).prefault({});
const nodeOverride = z
  .strictObject({
    pools: pools.optional().describe('Replaces `node.pools` on this node.'),
    maxTasks: maxTasks.optional().describe('Replaces `node.maxTasks` on this node.'),
    drainTimeout: durationText().optional().describe('Replaces `node.drainTimeout` on this node.'),
    labels: z
      .record(z.string().regex(LABEL_NAME), z.coerce.string().regex(LABEL_VALUE), { error: `expected ${LABEL_HINT}` })
      .optional()
      .describe('What the node is known by; tasks can ask for it with `--require`.'),
    keepAwake: z.boolean('expected true or false').optional().describe('Replaces `node.keepAwake` on this node.'),
  })
  .nullable()
  .transform((value) => value ?? {});

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

/** The settings of one node: the mesh's defaults with the node's own overrides on top. */
export function nodeConfig(config: NodeSettings, nodeId: string): NodeConfig {
  const own = config.nodes[nodeId] ?? {};
  return {
    pools: own.pools ?? config.node.pools,
    maxTasks: own.maxTasks ?? config.node.maxTasks,
    drainTimeout: own.drainTimeout ?? config.node.drainTimeout,
    keepAwake: own.keepAwake ?? config.node.keepAwake,
    labels: own.labels ?? {},
  };
}
