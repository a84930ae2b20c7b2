import { MESH_EVENTS } from '../../src/domain/mesh-event.ts';
import type { MetricDefinition } from '../../src/ops/metrics/definition.ts';
import { MESH_METRICS } from '../../src/ops/metrics/mesh-metrics.ts';
import { NODE_METRICS } from '../../src/ops/metrics/node-metrics.ts';
import { page, table } from './markdown.ts';

export function eventsPage(): string {
  const rows = Object.entries(MESH_EVENTS).map(([name, { when, fields }]) => {
    return [`\`${name}\``, when, fields.map((field) => `\`${field}\``).join(', ')];
  });
  return page('Events', 'src/domain/mesh-event.ts', [
    'The event log has the last 10,000 or so events of the mesh. `clawmesh events` prints it, `--follow` continues with new',
    'events, and alerts are sent from it. [JSON output](json.md#meshevent) describes the fields. `incarnation` is only in the',
    'log itself, a Redis stream.',
    '',
    ...table(['event', 'when', 'fields'], rows),
    '',
    'A reader has to ignore events that it does not know. What happens to single tasks is in their history, and in the handover',
    'log (`clawmesh handovers`).',
  ]);
}

export function metricsPage(): string {
  return page('Metrics', 'src/ops/metrics/node-metrics.ts and mesh-metrics.ts', [
    'In the format of Prometheus. Times are in seconds; gauges that say whether something is so are 1 or 0.',
    '',
    '## Of a node',
    '',
    'Each node serves these at `/metrics` of `node.listen`. All have the labels `mesh` and `node`. Counters begin at 0 with each',
    'start of the daemon.',
    '',
    ...metricLines(Object.values(NODE_METRICS)),
    '',
    'A node also has the usual metrics of a Node.js program, which begin with `process_` and `nodejs_`.',
    '',
    '## Of the mesh',
    '',
    'A dashboard serves these at `/metrics`. All have the label `mesh`, and are read from Redis at each scrape.',
    '',
    ...metricLines(Object.values(MESH_METRICS)),
    '',
    '## Buckets of histograms',
    '',
    ...table(
      ['metric', 'upper limits (s)'],
      Object.values<MetricDefinition>(NODE_METRICS).flatMap(({ name, buckets }) =>
        buckets ? [[`\`${name}\``, buckets.join(', ')]] : [],
      ),
    ),
  ]);
}

function metricLines(metrics: readonly MetricDefinition[]): string[] {
  const rows = metrics.map(({ name, type, labels, help }) => {
    return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), help];
  });
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}
