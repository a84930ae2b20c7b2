import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { wrappedText } from '../../src/queue/bullmq/fenced-scripts.ts';

describe('the BullMQ scripts that clawmesh wraps', () => {
  it('are those of the pinned version; when this fails, read what has changed in them before changing the hash', () => {
    expect(packageJson.dependencies.bullmq).toBe('6.7.0');
    expect(createHash('sha256').update(wrappedText).digest('hex').slice(0, 16)).toBe('5f440f32ecc63821');
  });
});
