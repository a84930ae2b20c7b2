import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { wrappedText as enqueueText } from '../../src/queue/bullmq/enqueue-script.ts';
import { wrappedText } from '../../src/queue/bullmq/fenced-scripts.ts';
import { wrappedText as scheduleText } from '../../src/queue/bullmq/schedule-script.ts';

describe('the BullMQ scripts that clawmesh wraps', () => {
  it('are those of the pinned version; when this fails, read what has changed in them before changing the hash', () => {
    expect(packageJson.dependencies.bullmq).toBe('6.7.0');
    expect(
      createHash('sha256')
        .update(wrappedText + enqueueText + scheduleText)
        .digest('hex')
        .slice(0, 16),
    ).toBe('48a6105bbb30cf02');
  });
});
