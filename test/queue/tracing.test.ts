import { expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { Tracing } from '../../src/queue/bullmq/tracing.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';

const claimIn = (pool: string, taskId: string): Claim => ({
  taskId,
  pool,
  token: 'mac-1~1:1',
  spec: { message: 'hello', tags: {} },
  attempt: 1,
  maxAttempts: 3,
  handovers: 0,
  holds: 0,
  refusedOn: null,
  readyAt: 0,
  claimedAt: 0,
});

it('traces each of two runs whose pools have given their claims the same token', async () => {
  const collector = await OtlpCollector.start();
  const tracing = new Tracing({ endpoint: collector.url, mesh: 'm', nodeId: 'mac-1' });
  const [first, second] = [claimIn('a', 't1'), claimIn('b', 't2')];
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
