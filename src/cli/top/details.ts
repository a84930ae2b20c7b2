import type { Node } from '../../domain/node.ts';
import { humanDuration } from '../../domain/units.ts';
import { MARKS } from '../../ops/problems.ts';
import { KEYS } from './actions.ts';
import { beatAge, type Item, SECTIONS } from './sections.ts';

/** A text for the whole screen. */
export interface Details {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Everything about an item that has no screen of its own; `nodes`: all nodes, for the pools. */
export function detailsOf(item: Exclude<Item, { section: 'tasks' | 'handovers' }>, nodes: readonly Node[]): Details {
  switch (item.section) {
    case 'problems': {
      const { severity, what, fix } = item.problem;
      return { title: severity, lines: [`${MARKS[severity]} ${what}`, '', `→ ${fix}`] };
    }
    case 'pools': {
      const { name, paused, ...counts } = item.pool;
      const serving = nodes.filter(({ state, pools }) => state !== 'stopped' && name in pools);
      return {
        title: `pool ${name}`,
        lines: [
          paused ? 'paused: no more of its tasks start' : 'open',
          '',
          ...Object.entries(counts).map(([state, count]) => `${state.padEnd(14)}${count}`),
          '',
          serving.length === 0 ? 'no node serves it' : 'nodes that serve it:',
          ...serving.map(({ id, state, pools }) => `  ${id} (${state}): ${slots(pools[name])}`),
        ],
      };
    }
    case 'nodes':
      return { title: `node ${item.node.id}`, lines: nodeLines(item.node) };
  }
}

function nodeLines(node: Node): string[] {
  const { openclaw, load } = node;
  const labels = Object.entries(node.labels).map((label) => label.join('='));
  return [
    `${node.state} · heartbeat ${beatAge(node)} ago · up for ${humanDuration(node.uptimeMs)}`,
    `host ${node.host} · process ${node.pid} · clawmesh ${node.version} · config ${node.configDigest}`,
    `OpenClaw: ${openclaw.mode}, ${openclaw.version ?? 'version unknown'}, ${openclaw.healthy ? 'healthy' : 'not healthy'}`,
    `load ${load.cpu.toFixed(2)} per core · memory ${Math.round(load.memory * 100)} %`,
    ...(labels.length > 0 ? [`labels: ${labels.join(' ')}`] : []),
    '',
    'pools:',
    ...Object.entries(node.pools).map(([name, pool]) => `  ${name}: ${slots(pool)}`),
    '',
    'gates:',
    ...node.gates.map(({ name, open, reason, fix }) => {
      const why = reason === null ? '' : `: ${reason}${fix === null ? '' : ` → ${fix}`}`;
      return `  ${open ? 'open  ' : 'closed'} ${name}${why}`;
    }),
    '',
    node.running.length === 0 ? 'no running tasks' : 'running tasks:',
    ...node.running.map((id) => `  ${id}`),
  ];
}

function slots(pool: { readonly concurrency: number; readonly running: number } | undefined): string {
  return `${pool?.running ?? 0} of ${pool?.concurrency ?? 0} slots in use`;
}

const EVERYWHERE = [
  ['Tab ←→', 'next or previous section'],
  ['↑↓ j k', 'select a line; PgUp and PgDn move ten lines'],
  ['/', 'filter tasks by words, or by a state'],
  ['Esc', 'clear the filter'],
  ['?', 'this help'],
  ['q', 'quit'],
] as const;

/** The keys of the live view. */
export function help(): Details {
  const line = (key: string, text: string) => `  ${key.padEnd(8)}${text}`;
  return {
    title: 'keys of clawmesh top',
    lines: [
      'everywhere',
      ...EVERYWHERE.map(([key, text]) => line(key, text)),
      ...SECTIONS.flatMap((section) => [section, ...KEYS[section].map((one) => line(one.key, one.help))]),
    ],
  };
}
