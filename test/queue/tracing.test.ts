import { expect, it } from 'vitest';
import { Tracing } from '../../src/queue/bullmq/tracing.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';
import { aClaim } from '../support/run-context.ts';

it('traces two runs apart whose pools gave their claims the same token', async () => {
  const collector = await OtlpCollector.start();
  const tracing = new Tracing({ endpoint: collector.url, mesh: 'm', nodeId: 'mac-1' });
  const [first, second] = [aClaim('t1', { pool: 'a' }), aClaim('t2', { pool: 'b' })];
  tracing.claimed(first);
  tracing.claimed(second);
  tracing.ended(first, 'completed', 1, undefined);
  tracing.ended(second, 'failed', 1, undefined);
  await tracing.close();
  collector.stop();
  const ends = collector.spans.map(({ attributes }) => [
    attributes['messaging.message.id'],
    attributes['clawmesh.outcome'],
  ]);
  expect(ends.sort()).toEqual([
    ['t1', 'completed'],
    ['t2', 'failed'],
  ]);
});
